// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILedger} from "../src/interfaces/ILedger.sol";
import {Fixture} from "./utils/Fixture.sol";

/// @dev Heads, paths and forks of another implementation: `vectors/make.py`.
contract VectorsTest is Fixture {
    string private json;
    bytes32 private node;

    function setUp() public override {
        super.setUp();
        json = vm.readFile("test/vectors/ledger.json");
        node = vm.parseJsonBytes32(json, ".node");
        address key = vm.parseJsonAddress(json, ".key");
        (uint16 day, uint64 deadline) = (_today() + 30, uint64(block.timestamp));
        bytes32 digest = ledger.registrationDigest(node, key, OPERATOR, POLICY, day, deadline);
        ledger.register(node, key, OPERATOR, POLICY, day, deadline, _votes(digest, QUORUM));
    }

    function _bytes(string memory key) private view returns (bytes memory) {
        return vm.parseJsonBytes(json, key);
    }

    function _settleAll() private {
        _settle(_bytes(".first"));
        _settle(_bytes(".settled"));
    }

    function test_Settles() public {
        _settleAll();
        ILedger.Node memory state = ledger.nodeOf(node);
        vm.assertEq(state.size, vm.parseJsonUint(json, ".size"));
        vm.assertEq(state.root, vm.parseJsonBytes32(json, ".root"));
        ledger.settle(_bytes(".closed"));
        vm.assertEq(uint256(ledger.nodeOf(node).status), uint256(ILedger.Status.Closed));
    }

    function test_ClosesEmptyLog() public {
        ledger.settle(_bytes(".empty-closed"));
        vm.assertEq(uint256(ledger.nodeOf(node).status), uint256(ILedger.Status.Closed));
    }

    function test_Verifies() public {
        _settleAll();
        uint256[] memory seqs = vm.parseJsonUintArray(json, ".proofs.seqs");
        bytes32[] memory entries = vm.parseJsonBytes32Array(json, ".proofs.entries");
        bytes[] memory paths = vm.parseJsonBytesArray(json, ".proofs.paths");
        for (uint256 i; i < seqs.length; ++i) {
            ledger.verifyReceipt(node, seqs[i], entries[i], _words(paths[i]));
        }
        vm.assertTrue(seqs.length > 5);
    }

    function test_ForkBySize() public {
        _settleAll();
        ledger.forkByHeads(_bytes(".forks.same-size"));
        vm.assertEq(uint256(ledger.nodeOf(node).status), uint256(ILedger.Status.Forked));
    }

    function test_ForkByClosing() public {
        ledger.forkByHeads(bytes.concat(_bytes(".closed"), _bytes(".forks.after-close")));
        vm.assertEq(uint256(ledger.nodeOf(node).status), uint256(ILedger.Status.Forked));
    }

    function test_ForkByEntry() public {
        _fork(".forks.entry", false);
    }

    function test_ForkBySubtree() public {
        _fork(".forks.subtree", false);
    }

    function test_ForkOfSettledByEntry() public {
        _settleAll();
        _fork(".forks.entry", true);
    }

    function test_ForkOfSettledBySubtree() public {
        _settleAll();
        _fork(".forks.subtree", true);
    }

    /// @dev With `alone`, by the first head against what is settled.
    function _fork(string memory name, bool alone) private {
        bytes memory heads = _bytes(string.concat(name, ".heads"));
        assembly {
            if alone { mstore(heads, 146) }
        }
        bytes32[] memory hashes = vm.parseJsonBytes32Array(json, string.concat(name, ".hashes"));
        ledger.forkByNodes(
            heads,
            vm.parseJsonUint(json, string.concat(name, ".level")),
            vm.parseJsonUint(json, string.concat(name, ".index")),
            [hashes[0], hashes[1]],
            vm.parseJsonBytes32Array(json, string.concat(name, ".path-a")),
            vm.parseJsonBytes32Array(json, string.concat(name, ".path-b"))
        );
        vm.assertEq(uint256(ledger.nodeOf(node).status), uint256(ILedger.Status.Forked));
    }

    function _words(bytes memory data) private pure returns (bytes32[] memory words) {
        words = new bytes32[](data.length / 32);
        for (uint256 i; i < words.length; ++i) {
            bytes32 word;
            assembly {
                word := mload(add(add(data, 32), mul(i, 32)))
            }
            words[i] = word;
        }
    }
}
