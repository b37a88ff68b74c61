// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILedger} from "../src/interfaces/ILedger.sol";
import {Fixture} from "./utils/Fixture.sol";

contract SettleTest is Fixture {
    bytes32 private constant ROOT = keccak256("root");
    bytes32 private constant OTHER = keccak256("other root");
    uint16 private lastDay;

    function setUp() public override {
        super.setUp();
        lastDay = _today() + 30;
        _register(NODE, KEY, lastDay);
    }

    function _expectSettled(uint64 size, bytes32 root, bool closed) private {
        vm.expectEmit(true, true, true, true, address(ledger));
        emit ILedger.Settled(NODE, size, root, closed);
    }

    function _expectSkipped(bytes32 node, ILedger.Reason reason) private {
        vm.expectEmit(true, true, true, true, address(ledger));
        emit ILedger.Skipped(node, reason);
    }

    /// @dev Settles a head, which must be skipped and change nothing.
    function _skips(bytes memory head, ILedger.Reason reason) private {
        bytes32 before = keccak256(abi.encode(ledger.nodeOf(NODE)));
        _expectSkipped(NODE, reason);
        ledger.settle(head);
        vm.assertEq(keccak256(abi.encode(ledger.nodeOf(NODE))), before);
    }

    function _assertSettled(uint256 size, bytes32 root, uint256 time, ILedger.Status status) private view {
        ILedger.Node memory node = ledger.nodeOf(NODE);
        vm.assertEq(node.size, size);
        vm.assertEq(node.root, root);
        vm.assertEq(node.settledAt, time);
        vm.assertEq(uint256(node.status), uint256(status));
        vm.assertEq(node.key, vm.addr(KEY));
        vm.assertEq(node.lastDay, lastDay);
        vm.assertEq(node.operator, OPERATOR);
        vm.assertEq(node.policy, POLICY);
    }

    function test_AnyoneSettles() public {
        _expectSettled(5, ROOT, false);
        vm.prank(STRANGER);
        ledger.settle(_head(5, ROOT));
        _assertSettled(5, ROOT, START, ILedger.Status.Active);
        vm.warp(START + INTERVAL);
        _expectSettled(6, OTHER, false);
        ledger.settle(_head(6, OTHER));
        _assertSettled(6, OTHER, START + INTERVAL, ILedger.Status.Active);
    }

    function test_Nothing() public {
        ledger.settle("");
    }

    function test_LengthMustBeAMultiple() public {
        bytes memory head = _head(5, ROOT);
        bytes[4] memory wrong = [bytes(hex"00"), bytes.concat(head, hex"00"), new bytes(145), new bytes(147)];
        for (uint256 i; i < wrong.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ILedger.BadLength.selector, wrong[i].length));
            ledger.settle(wrong[i]);
        }
    }

    function test_BadOnesDoNotStopOthers() public {
        bytes32 second = keccak256("second");
        _register(second, KEY + 1, lastDay);
        bytes memory heads = bytes.concat(
            _head(second, KEY, 5, ROOT, 0),
            new bytes(146),
            _head(5, ROOT),
            _head(4, ROOT),
            _head(second, KEY + 1, 9, OTHER, 1)
        );
        _expectSkipped(second, ILedger.Reason.BadSignature);
        _expectSkipped(0, ILedger.Reason.Unregistered);
        _expectSettled(5, ROOT, false);
        _expectSkipped(NODE, ILedger.Reason.Stale);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit ILedger.Settled(second, 9, OTHER, true);
        ledger.settle(heads);
        _assertSettled(5, ROOT, START, ILedger.Status.Active);
        vm.assertEq(uint256(ledger.nodeOf(second).status), uint256(ILedger.Status.Closed));
    }

    function test_Unregistered() public {
        bytes32 unknown = keccak256("unknown");
        _expectSkipped(unknown, ILedger.Reason.Unregistered);
        ledger.settle(_head(unknown, KEY, 5, ROOT, 0));
        // A signature that recovers nothing must not match the key of an unknown node, which is zero.
        _expectSkipped(unknown, ILedger.Reason.Unregistered);
        ledger.settle(bytes.concat(abi.encodePacked(unknown, uint64(5), ROOT, uint64(0), uint8(0)), new bytes(65)));
    }

    function test_BadSignature() public {
        _skips(_head(NODE, KEY + 1, 5, ROOT, 0), ILedger.Reason.BadSignature);
        bytes memory head = _head(5, ROOT);
        head[39] = 0x06;
        _skips(head, ILedger.Reason.BadSignature);
        for (uint256 i = 81; i < 146; ++i) {
            head[i] = 0;
        }
        _skips(head, ILedger.Reason.BadSignature);
    }

    /// @dev A head has no chain id and no time limit of its own.
    function test_TimeInHeadIsIgnored() public {
        ledger.settle(_signed(abi.encodePacked(NODE, uint64(5), ROOT, uint64(0), uint8(0)), KEY));
        vm.warp(START + INTERVAL);
        ledger.settle(_signed(abi.encodePacked(NODE, uint64(6), ROOT, type(uint64).max, uint8(0)), KEY));
        _assertSettled(6, ROOT, START + INTERVAL, ILedger.Status.Active);
    }

    function test_Malformed() public {
        _skips(_head(NODE, KEY, 5, ROOT, 2), ILedger.Reason.Malformed);
        _skips(_head(NODE, KEY, 5, ROOT, 0x81), ILedger.Reason.Malformed);
        _skips(_head(0, sha256("")), ILedger.Reason.Malformed);
        _skips(_closed(0, ROOT), ILedger.Reason.Malformed);
        _skips(_head(1 << 40, ROOT), ILedger.Reason.Malformed);
        _skips(_head(type(uint64).max, ROOT), ILedger.Reason.Malformed);
    }

    function test_LargestSize() public {
        ledger.settle(_head((1 << 40) - 1, ROOT));
        _assertSettled((1 << 40) - 1, ROOT, START, ILedger.Status.Active);
    }

    function test_Stale() public {
        _settle(_head(5, ROOT));
        _skips(_head(5, ROOT), ILedger.Reason.Stale);
        _skips(_head(4, OTHER), ILedger.Reason.Stale);
    }

    function test_TooSoon() public {
        ledger.settle(_head(5, ROOT));
        vm.warp(START + INTERVAL - 1);
        _skips(_head(6, OTHER), ILedger.Reason.TooSoon);
        vm.warp(START + INTERVAL);
        ledger.settle(_head(6, OTHER));
        _assertSettled(6, OTHER, START + INTERVAL, ILedger.Status.Active);
    }

    function test_ClosedHeadNeedNotWait() public {
        ledger.settle(_head(5, ROOT));
        vm.warp(START + 1);
        _expectSettled(6, OTHER, true);
        ledger.settle(_closed(6, OTHER));
        _assertSettled(6, OTHER, START + 1, ILedger.Status.Closed);
    }

    /// @dev Equal size and root with the closed flag close the node. The root has not changed, so neither has its time.
    function test_EqualHeadCloses() public {
        ledger.settle(_head(5, ROOT));
        vm.warp(START + 1);
        _expectSettled(5, ROOT, true);
        ledger.settle(_closed(5, ROOT));
        _assertSettled(5, ROOT, START, ILedger.Status.Closed);
    }

    function test_FirstHeadMayClose() public {
        ledger.settle(_closed(5, ROOT));
        _assertSettled(5, ROOT, START, ILedger.Status.Closed);
    }

    /// @dev A node that never answered closes with the root of the empty log.
    function test_EmptyLogCloses() public {
        _expectSettled(0, sha256(""), true);
        ledger.settle(_closed(0, sha256("")));
        _assertSettled(0, sha256(""), 0, ILedger.Status.Closed);
        _skips(_closed(0, sha256("")), ILedger.Reason.Stale);
        _skips(_head(1, ROOT), ILedger.Reason.Conflict);
    }

    function test_NothingAfterClosing() public {
        _settle(_closed(5, ROOT));
        _skips(_closed(5, ROOT), ILedger.Reason.Stale);
        _skips(_head(5, ROOT), ILedger.Reason.Stale);
        _skips(_head(4, OTHER), ILedger.Reason.Stale);
        _skips(_head(6, OTHER), ILedger.Reason.Conflict);
        _skips(_closed(6, OTHER), ILedger.Reason.Conflict);
    }

    function test_Conflicts() public {
        _settle(_head(5, ROOT));
        _skips(_head(5, OTHER), ILedger.Reason.Conflict);
        _skips(_closed(5, OTHER), ILedger.Reason.Conflict);
        _skips(_closed(4, OTHER), ILedger.Reason.Conflict);
        _skips(_closed(0, sha256("")), ILedger.Reason.Conflict);
    }

    function test_SettlingEnds() public {
        vm.warp(_settlingEnds(lastDay) - 1);
        ledger.settle(_head(5, ROOT));
        _assertSettled(5, ROOT, block.timestamp, ILedger.Status.Active);
        vm.warp(_settlingEnds(lastDay));
        _skips(_closed(6, OTHER), ILedger.Reason.Expired);
        _skips(_closed(5, ROOT), ILedger.Reason.Expired);
        _assertStatus(ILedger.Status.Expired);
    }

    function test_ClosedNodeDoesNotExpire() public {
        ledger.settle(_closed(5, ROOT));
        vm.warp(_settlingEnds(lastDay));
        _assertStatus(ILedger.Status.Closed);
    }

    function test_Revoked() public {
        vm.prank(OPERATOR);
        ledger.revokeNode(NODE);
        _skips(_head(5, ROOT), ILedger.Reason.Revoked);
    }

    function test_Forked() public {
        ledger.forkByHeads(bytes.concat(_head(5, ROOT), _head(5, OTHER)));
        _skips(_head(6, ROOT), ILedger.Reason.Forked);
    }

    /// @dev Nodes of a revoked policy may settle on: their data stays checkable. `verifyReceipt` refuses them.
    function test_RevokedPolicySettles() public {
        vm.prank(GUARDIAN);
        ledger.revokePolicy(POLICY);
        ledger.settle(_head(5, ROOT));
        _assertSettled(5, ROOT, START, ILedger.Status.Active);
    }

    function testFuzz_AnyBytesAreSkipped(bytes memory noise) public {
        bytes memory heads = new bytes(noise.length / 146 * 146 + 146);
        for (uint256 i; i < noise.length && i < heads.length; ++i) {
            heads[i] = noise[i];
        }
        for (uint256 i; i < 32 && noise.length > 40; ++i) {
            heads[i] = NODE[i];
        }
        ledger.settle(heads);
        _assertSettled(0, sha256(""), 0, ILedger.Status.Active);
    }

    function testFuzz_Sizes(uint40 first, uint40 second, bool closed) public {
        first = uint40(_within(first, 1, type(uint40).max));
        second = uint40(_within(second, 1, type(uint40).max));
        _settle(_head(first, ROOT));
        ledger.settle(_head(NODE, KEY, second, OTHER, closed ? 1 : 0));
        bool grows = second > first;
        ILedger.Node memory node = ledger.nodeOf(NODE);
        vm.assertEq(node.size, grows ? second : first);
        vm.assertEq(node.root, grows ? OTHER : ROOT);
        vm.assertEq(node.status == ILedger.Status.Closed, grows && closed);
    }
}
