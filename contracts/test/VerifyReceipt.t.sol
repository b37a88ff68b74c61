// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILedger} from "../src/interfaces/ILedger.sol";
import {Fixture} from "./utils/Fixture.sol";
import {Tree} from "./utils/Tree.sol";

contract VerifyReceiptTest is Fixture {
    uint256 private constant SIZE = 7;
    bytes32[] private entries;
    uint16 private lastDay;

    function setUp() public override {
        super.setUp();
        lastDay = _today() + 30;
        entries = Tree.entries(0, SIZE + 5);
        _register(NODE, KEY, lastDay);
        ledger.settle(_head(uint64(SIZE), Tree.root(entries, SIZE)));
    }

    function _verify(uint256 seq, uint256 size) private view returns (uint32, ILedger.Status, uint64) {
        return ledger.verifyReceipt(NODE, seq, entries[seq], Tree.path(entries, seq, size));
    }

    function _expectRevert(uint256 seq, bytes memory reason) private {
        bytes32[] memory path = Tree.path(entries, seq, SIZE);
        vm.expectRevert(reason);
        ledger.verifyReceipt(NODE, seq, entries[seq], path);
    }

    function test_EveryReceipt() public view {
        for (uint256 seq; seq < SIZE; ++seq) {
            (uint32 policy, ILedger.Status status, uint64 settledAt) = _verify(seq, SIZE);
            vm.assertEq(policy, POLICY);
            vm.assertEq(uint256(status), uint256(ILedger.Status.Active));
            vm.assertEq(settledAt, START);
        }
    }

    function test_UnknownNode() public {
        bytes32 other = keccak256("other");
        bytes32[] memory path = Tree.path(entries, 0, SIZE);
        vm.expectRevert(abi.encodeWithSelector(ILedger.UnknownNode.selector, other));
        ledger.verifyReceipt(other, 0, entries[0], path);
    }

    function test_WrongReceipts() public {
        bytes32[] memory path = Tree.path(entries, 3, SIZE);
        bytes32 leaf = Tree.leaf(entries[3]);
        bytes memory reason = abi.encodeWithSelector(ILedger.NotIncluded.selector, NODE, 3);
        vm.expectRevert(reason);
        ledger.verifyReceipt(NODE, 3, entries[2], path);
        vm.expectRevert(reason);
        ledger.verifyReceipt(NODE, 3, leaf, path);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotIncluded.selector, NODE, 2));
        ledger.verifyReceipt(NODE, 2, entries[3], path);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotIncluded.selector, NODE, SIZE));
        ledger.verifyReceipt(NODE, SIZE, entries[3], path);
        vm.expectRevert(reason);
        ledger.verifyReceipt(NODE, 3, entries[3], new bytes32[](0));
    }

    /// @dev An inner node is no receipt: its hash has another prefix.
    function test_InnerNodeIsNoReceipt() public {
        bytes32 pair = Tree.root(entries, 0, 2);
        bytes32[] memory path = Tree.path(entries, 1, 0, 4);
        vm.warp(START + INTERVAL);
        ledger.settle(_head(8, Tree.root(entries, 8)));
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotIncluded.selector, NODE, 0));
        ledger.verifyReceipt(NODE, 0, pair, path);
    }

    /// @dev Nothing is included before the first head, not even under a root of zero.
    function test_NothingSettled() public {
        bytes32 other = keccak256("other");
        _register(other, KEY, lastDay);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotIncluded.selector, other, 0));
        ledger.verifyReceipt(other, 0, 0, new bytes32[](0));
        ledger.settle(_head(other, KEY, 0, sha256(""), 1));
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotIncluded.selector, other, 0));
        ledger.verifyReceipt(other, 0, 0, new bytes32[](0));
    }

    /// @dev A proof is good for one root. The new root needs a new path, and shows its own time.
    function test_AfterTheRootHasChanged() public {
        vm.warp(START + INTERVAL);
        ledger.settle(_head(uint64(SIZE + 5), Tree.root(entries)));
        _expectRevert(3, abi.encodeWithSelector(ILedger.NotIncluded.selector, NODE, 3));
        (,, uint64 settledAt) = _verify(3, SIZE + 5);
        vm.assertEq(settledAt, START + INTERVAL);
    }

    function test_ClosedNode() public {
        ledger.settle(_closed(uint64(SIZE), Tree.root(entries, SIZE)));
        (, ILedger.Status status,) = _verify(3, SIZE);
        vm.assertEq(uint256(status), uint256(ILedger.Status.Closed));
    }

    function test_ExpiredNode() public {
        vm.warp(_settlingEnds(lastDay));
        (, ILedger.Status status,) = _verify(3, SIZE);
        vm.assertEq(uint256(status), uint256(ILedger.Status.Expired));
    }

    function test_RevokedNode() public {
        vm.prank(OPERATOR);
        ledger.revokeNode(NODE);
        _expectRevert(3, abi.encodeWithSelector(ILedger.RevokedNode.selector, NODE));
    }

    function test_ForkedNode() public {
        ledger.forkByHeads(_head(uint64(SIZE), keccak256("other")));
        _expectRevert(3, abi.encodeWithSelector(ILedger.ForkedNode.selector, NODE));
    }

    function test_RevokedPolicy() public {
        vm.prank(GUARDIAN);
        ledger.revokePolicy(POLICY);
        _expectRevert(3, abi.encodeWithSelector(ILedger.RevokedPolicy.selector, POLICY));
    }

    function testFuzz_Verify(uint256 seed, uint256 size, uint256 seq, uint256 other) public {
        size = _within(size, 1, 100);
        seq = _within(seq, 0, size - 1);
        other = _within(other, 0, size + 2);
        bytes32[] memory all = Tree.entries(seed, size);
        bytes32 node = keccak256(abi.encode(seed, "node"));
        _register(node, KEY, lastDay);
        ledger.settle(_head(node, KEY, uint64(size), Tree.root(all), 0));
        bytes32[] memory path = Tree.path(all, seq, size);
        ledger.verifyReceipt(node, seq, all[seq], path);
        if (other == seq) return;
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotIncluded.selector, node, other));
        ledger.verifyReceipt(node, other, all[seq], path);
    }
}
