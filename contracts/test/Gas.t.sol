// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnswerVerifier} from "../src/AnswerVerifier.sol";
import {Receipt} from "../src/Receipt.sol";
import {ReceiptLib} from "../src/ReceiptLib.sol";
import {AskModel} from "../src/examples/AskModel.sol";
import {Encoder} from "./utils/Encoder.sol";
import {Fixture} from "./utils/Fixture.sol";
import {Receipts} from "./utils/Receipts.sol";

/// @dev Gas of whole transactions: run it with `--isolate`, as `gas.sh` does. Nodes, roots and paths are random, because
/// bytes that are not zero cost more.
contract GasTest is Fixture {
    uint256 private constant RECEIPTS = 65_536;

    /// @dev Without `--isolate`, calls are no transactions: skips all tests.
    function setUp() public override {
        super.setUp();
        ledger.settle("");
        vm.skip(vm.lastCallGas().gasTotalUsed < 21_000);
    }

    function _record(string memory name) private returns (uint256 gas_) {
        gas_ = vm.lastCallGas().gasTotalUsed;
        vm.snapshotValue("Gas", name, gas_);
    }

    /// @dev Calls as a transaction would: a view function, too.
    function _transact(address target, bytes memory data) private {
        (bool done,) = target.call(data);
        vm.assertTrue(done);
    }

    function _path(uint256 length, uint256 seed) private pure returns (bytes32[] memory path) {
        path = new bytes32[](length);
        for (uint256 i; i < length; ++i) {
            path[i] = keccak256(abi.encode(seed, i));
        }
    }

    /// @dev Root of a log of 2^depth entries with this leaf and this path.
    function _root(bytes32 hash, uint256 index, bytes32[] memory path) private pure returns (bytes32) {
        for (uint256 i; i < path.length; ++i) {
            bytes memory pair = (index >> i) & 1 == 0 ? bytes.concat(hash, path[i]) : bytes.concat(path[i], hash);
            hash = sha256(bytes.concat(hex"01", pair));
        }
        return hash;
    }

    function _leaf(bytes32 entry) private pure returns (bytes32) {
        return sha256(bytes.concat(hex"00", entry));
    }

    function test_Register() public {
        _registerWith(5, "register, 5 of 9 votes");
        _registerWith(9, "register, 9 of 9 votes");
    }

    function _registerWith(uint256 votes, string memory name) private {
        bytes32 node = keccak256(bytes(name));
        (uint16 day, uint64 deadline) = (_today() + 30, uint64(block.timestamp + 3600));
        bytes32 digest = ledger.registrationDigest(node, vm.addr(KEY), OPERATOR, POLICY, day, deadline);
        bytes memory signatures = _votes(digest, votes);
        ledger.register(node, vm.addr(KEY), OPERATOR, POLICY, day, deadline, signatures);
        _record(name);
    }

    /// @dev At most 0.65 gas for each receipt.
    function test_SettleAlone() public {
        _register();
        ledger.settle(_head(uint64(RECEIPTS), keccak256("1")));
        _record("settle, first");
        vm.warp(block.timestamp + INTERVAL);
        ledger.settle(_head(uint64(2 * RECEIPTS), keccak256("2")));
        uint256 gas_ = _record("settle, later");
        vm.snapshotValue("Gas", "per 1,000 receipts, alone", gas_ * 1000 / RECEIPTS);
        vm.assertLe(gas_ * 100, 65 * RECEIPTS, "0.65 gas for each receipt");
    }

    /// @dev At most 0.30 gas for each receipt of 100 nodes that settle together.
    function test_SettlePooled() public {
        _pooled(10, 1000);
        uint256 gas_ = _pooled(100, 2000);
        vm.snapshotValue("Gas", "per 1,000 receipts, pooled by 100", gas_ * 1000 / RECEIPTS / 100);
        vm.assertLe(gas_ * 100, 30 * RECEIPTS * 100, "0.30 gas for each receipt");
    }

    function _pooled(uint256 count, uint256 salt) private returns (uint256 gas_) {
        bytes memory first;
        bytes memory later;
        for (uint256 i; i < count; ++i) {
            bytes32 node = keccak256(abi.encode(salt, i));
            _register(node, KEY + i, _today() + 30);
            first = bytes.concat(first, _head(node, KEY + i, uint64(RECEIPTS), keccak256(abi.encode(node, 1)), 0));
            later = bytes.concat(later, _head(node, KEY + i, uint64(2 * RECEIPTS), keccak256(abi.encode(node, 2)), 0));
        }
        _settle(first);
        ledger.settle(later);
        gas_ = _record(string.concat("settle, later, ", vm.toString(count), " nodes"));
    }

    /// @dev At most 55,000 at 2^20, with status and policy.
    function test_Inclusion() public {
        uint256[3] memory depths = [uint256(10), 20, 30];
        for (uint256 i; i < 3; ++i) {
            uint256 depth = depths[i];
            bytes32 node = keccak256(abi.encode("node", depth));
            _register(node, KEY, _today() + 30);
            uint256 index = 0x2aaaaaaa & ((1 << depth) - 1);
            bytes32 entry = keccak256("entry");
            bytes32[] memory path = _path(depth, 1);
            ledger.settle(_head(node, KEY, uint64(1 << depth), _root(_leaf(entry), index, path), 0));
            _transact(address(ledger), abi.encodeCall(ledger.verifyReceipt, (node, index, entry, path)));
            uint256 gas_ = _record(string.concat("inclusion, depth ", vm.toString(depth)));
            if (depth == 20) vm.assertLe(gas_, 55_000, "inclusion at 2^20");
        }
    }

    /// @dev At most 90,000 for two logs of 2^20.
    function test_Fork() public {
        _register();
        uint256 index = 0xaaaaa;
        (bytes32[] memory pathA, bytes32[] memory pathB) = (_path(20, 1), _path(20, 2));
        bytes32[2] memory hashes = [_leaf("a"), _leaf("b")];
        bytes memory heads = bytes.concat(
            _head(1 << 20, _root(hashes[0], index, pathA)), _head(1 << 20, _root(hashes[1], index, pathB))
        );
        ledger.forkByNodes(heads, 0, index, hashes, pathA, pathB);
        vm.assertLe(_record("fork by one entry, two logs of 2^20"), 90_000, "fork proof");
    }

    /// @dev The same against the settled log: no head of it is needed.
    function test_ForkOfSettled() public {
        _register();
        uint256 index = 0xaaaaa;
        (bytes32[] memory pathA, bytes32[] memory pathB) = (_path(20, 1), _path(20, 2));
        bytes32[2] memory hashes = [_leaf("a"), _leaf("b")];
        ledger.settle(_head(1 << 20, _root(hashes[1], index, pathB)));
        bytes memory head = _head(1 << 20, _root(hashes[0], index, pathA));
        ledger.forkByNodes(head, 0, index, hashes, pathA, pathB);
        vm.assertLe(_record("fork by one entry, head against settled, 2^20"), 90_000, "fork proof");
    }

    function test_ForkByHeads() public {
        _register();
        ledger.forkByHeads(bytes.concat(_head(1 << 20, keccak256("1")), _head(1 << 20, keccak256("2"))));
        _record("fork by two heads");
    }

    function test_Revoke() public {
        _register();
        vm.prank(OPERATOR);
        ledger.revokeNode(NODE);
        _record("revoke");
    }

    /// @dev One answer as the adapter and the example take it, in a log of 2^20.
    function test_Answers() public {
        AskModel dapp = new AskModel(ledger, POLICY, "tiny", Receipts.MODEL, Receipts.ARITHMETIC);
        bytes32 task = dapp.ask("Is the sky blue?");
        _record("example: ask");

        _register();
        Receipt memory r = Receipts.local(NODE, 0xaaaaa);
        r.nonce = abi.encodePacked(task);
        bytes32 input = sha256(dapp.requestFor("Is the sky blue?"));
        r.exchange.request = ReceiptLib.open("request", keccak256("salt"), input);
        r.exchange.response = ReceiptLib.open("response", keccak256("salt"), keccak256("output"));
        r.exchange.hasAnswer = true;
        r.exchange.answer = ReceiptLib.open("answer", keccak256("salt"), sha256("Yes"));
        bytes memory payload = Encoder.receipt(r);
        bytes32[] memory path = _path(20, 1);
        ledger.settle(_head(1 << 20, _root(_leaf(sha256(payload)), r.seq, path)));

        AnswerVerifier verifier = new AnswerVerifier(ledger);
        bytes memory proof = abi.encode(NODE, r.seq, payload, keccak256("salt"), keccak256("salt"), path);
        bytes memory metadata = abi.encode(POLICY, Receipts.MODEL);
        _transact(address(verifier), abi.encodeCall(verifier.verify, (input, keccak256("output"), metadata, proof)));
        _record("adapter: verify");
        dapp.answer(task, AskModel.Proof(NODE, r.seq, payload, keccak256("salt"), keccak256("salt"), path, "Yes"));
        _record("example: answer");
    }
}
