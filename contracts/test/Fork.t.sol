// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ILedger} from "../src/interfaces/ILedger.sol";
import {Fixture} from "./utils/Fixture.sol";
import {Tree} from "./utils/Tree.sol";

/// @dev Two histories under one key: they differ from entry `AT` on.
contract ForkTest is Fixture {
    uint256 private constant AT = 9;
    bytes32[] private honest;
    bytes32[] private second;
    uint16 private lastDay;

    function setUp() public override {
        super.setUp();
        lastDay = _today() + 30;
        _register(NODE, KEY, lastDay);
        honest = Tree.entries(0, 24);
        second = Tree.entries(1, 24);
        for (uint256 i; i < AT; ++i) {
            second[i] = honest[i];
        }
    }

    function _of(bytes32[] memory all, uint256 size, uint8 flags) private view returns (bytes memory) {
        return _head(NODE, KEY, uint64(size), Tree.root(all, size), flags);
    }

    function _of(bytes32[] memory all, uint256 size) private view returns (bytes memory) {
        return _of(all, size, 0);
    }

    function _expectForked() private {
        vm.expectEmit(true, true, true, true, address(ledger));
        emit ILedger.Forked(NODE, STRANGER);
        vm.prank(STRANGER);
    }

    function _forkByHeads(bytes memory heads) private {
        _expectForked();
        ledger.forkByHeads(heads);
        _assertStatus(ILedger.Status.Forked);
    }

    /// @dev Proves by the subtree that differs: `a` of the honest history, `b` of the second.
    function _forkByNodes(bytes memory heads, uint256 level, uint256 index, uint256 a, uint256 b) private {
        bytes32[2] memory hashes = [
            Tree.root(honest, index << level, (index + 1) << level),
            Tree.root(second, index << level, (index + 1) << level)
        ];
        bytes32[] memory pathA = Tree.path(honest, level, index, a);
        bytes32[] memory pathB = Tree.path(second, level, index, b);
        _expectForked();
        ledger.forkByNodes(heads, level, index, hashes, pathA, pathB);
        _assertStatus(ILedger.Status.Forked);
    }

    // By heads alone

    function test_SameSizeOtherRoot() public {
        _forkByHeads(bytes.concat(_of(honest, 12), _of(second, 12)));
    }

    function test_ClosedAndLarger() public {
        _forkByHeads(bytes.concat(_of(honest, 12, 1), _of(honest, 13)));
    }

    function test_ClosedAndLargerInAnyOrder() public {
        _forkByHeads(bytes.concat(_of(second, 13), _of(honest, 12, 1)));
    }

    function test_TwoClosed() public {
        _forkByHeads(bytes.concat(_of(honest, 12, 1), _of(honest, 13, 1)));
    }

    function test_EmptyClosedAndLarger() public {
        _forkByHeads(bytes.concat(_of(honest, 0, 1), _of(honest, 1)));
    }

    function test_SettledSameSizeOtherRoot() public {
        ledger.settle(_of(honest, 12));
        _forkByHeads(_of(second, 12));
    }

    function test_SettledClosedAndLarger() public {
        ledger.settle(_of(honest, 12, 1));
        _forkByHeads(_of(honest, 13));
    }

    function test_ClosedAndSettledLarger() public {
        ledger.settle(_of(honest, 12));
        _forkByHeads(_of(honest, 11, 1));
    }

    function test_SettledEmptyClosedAndLarger() public {
        ledger.settle(_of(honest, 0, 1));
        _forkByHeads(_of(honest, 1));
    }

    function test_HonestHeadsProveNothing() public {
        bytes[6] memory pairs = [
            bytes.concat(_of(honest, 12), _of(honest, 12)),
            bytes.concat(_of(honest, 12), _of(honest, 12, 1)),
            bytes.concat(_of(honest, 12), _of(honest, 13, 1)),
            bytes.concat(_of(honest, 13, 1), _of(honest, 12)),
            bytes.concat(_of(honest, 0, 1), _of(honest, 0, 1)),
            bytes.concat(_of(honest, 3), _of(honest, 24))
        ];
        for (uint256 i; i < pairs.length; ++i) {
            vm.expectRevert(ILedger.NoFork.selector);
            ledger.forkByHeads(pairs[i]);
        }
    }

    function test_HonestHeadsProveNothingAgainstSettled() public {
        bytes memory empty = _of(honest, 0, 1);
        bytes memory first = _of(honest, 1);
        vm.expectRevert(ILedger.NoFork.selector);
        ledger.forkByHeads(empty);
        vm.expectRevert(ILedger.NoFork.selector);
        ledger.forkByHeads(first);
        ledger.settle(_of(honest, 12));
        bytes[4] memory heads = [_of(honest, 12), _of(honest, 3), _of(honest, 12, 1), _of(honest, 13, 1)];
        for (uint256 i; i < heads.length; ++i) {
            vm.expectRevert(ILedger.NoFork.selector);
            ledger.forkByHeads(heads[i]);
        }
    }

    // By one subtree

    function test_OneEntryDiffers() public {
        _forkByNodes(bytes.concat(_of(honest, 12), _of(second, 20)), 0, AT, 12, 20);
    }

    function test_LargerHeadFirst() public {
        _forkByNodes(bytes.concat(_of(honest, 20), _of(second, 12)), 0, AT, 20, 12);
    }

    function test_OneSubtreeDiffers() public {
        _forkByNodes(bytes.concat(_of(honest, 12), _of(second, 20)), 2, 2, 12, 20);
    }

    function test_WholeLogIsASubtree() public {
        _forkByNodes(bytes.concat(_of(honest, 16), _of(second, 20)), 4, 0, 16, 20);
    }

    /// @dev The host showed a caller one history and settled another. The caller got a head of size seq + 1 with the
    /// receipt's path. The host never gave any head of the settled history to anybody: none is needed.
    function test_HostWithheldItsHeads() public {
        ledger.settle(_of(second, 20));
        vm.assertEq(ledger.nodeOf(NODE).size, 20);
        _forkByNodes(_of(honest, AT + 1), 0, AT, AT + 1, 20);
    }

    /// @dev The caller's receipt came later: its own entry differs, as entries are chained.
    function test_HostWithheldItsHeadsLater() public {
        ledger.settle(_of(second, 20));
        _forkByNodes(_of(honest, 13), 0, 12, 13, 20);
    }

    /// @dev The settled history is shorter than the caller's.
    function test_SettledIsShorter() public {
        ledger.settle(_of(second, 12));
        _forkByNodes(_of(honest, 20), 0, AT, 20, 12);
    }

    /// @dev The caller holds the subtrees of its head only, and not the entry that differs. They do: the log of 14 has
    /// the subtrees 0-7, 8-11 and 12-13, and one of them differs.
    function test_CallersSubtreesSuffice() public {
        ledger.settle(_of(second, 20));
        _forkByNodes(_of(honest, 14), 2, 2, 14, 20);
    }

    function testFuzz_AnyTwoHistories(uint256 from, uint256 a, uint256 b, uint256 level, bool settled, bool closed)
        public
    {
        from = _within(from, 0, 19);
        a = _within(a, from + 1, 20);
        b = _within(b, from + 1, 20);
        level = _within(level, 0, 4);
        second = Tree.entries(1, 20);
        honest = Tree.entries(0, 20);
        for (uint256 i; i < from; ++i) {
            second[i] = honest[i];
        }
        while (((from >> level) + 1) << level > (a < b ? a : b)) --level;
        bytes memory heads = _of(honest, a);
        if (settled) ledger.settle(_of(second, b, closed ? 1 : 0));
        else heads = bytes.concat(heads, _of(second, b, closed ? 1 : 0));
        _forkByNodes(heads, level, from >> level, a, b);
    }

    /// @dev No subtree of one history proves a fork, whatever the sizes.
    function testFuzz_OneHistoryCannotBeForked(
        uint256 a,
        uint256 b,
        uint256 level,
        uint256 index,
        bytes32 hash,
        uint256 side
    ) public {
        a = _within(a, 1, 24);
        b = _within(b, 1, 24);
        level = _within(level, 0, 4);
        uint256 smaller = a < b ? a : b;
        while (smaller >> level == 0) --level;
        index = _within(index, 0, (smaller >> level) - 1);
        bytes32 real = Tree.root(honest, index << level, (index + 1) << level);
        vm.assume(hash != real);
        bytes memory heads = bytes.concat(_of(honest, a), _of(honest, b));
        bytes32[] memory pathA = Tree.path(honest, level, index, a);
        bytes32[] memory pathB = Tree.path(honest, level, index, b);
        side = side % 2;
        vm.expectRevert(abi.encodeWithSelector(ILedger.BadPath.selector, side));
        ledger.forkByNodes(heads, level, index, side == 0 ? [hash, real] : [real, hash], pathA, pathB);
        vm.expectRevert(ILedger.NoFork.selector);
        ledger.forkByNodes(heads, level, index, [real, real], pathA, pathB);
    }

    /// @dev The last subtree of a log grows with it. As a whole one it would frame an honest node.
    function test_GrowingSubtreeIsRefused() public {
        bytes memory heads = bytes.concat(_of(honest, 10), _of(honest, 11));
        bytes32[2] memory hashes = [Tree.root(honest, 8, 10), Tree.root(honest, 8, 11)];
        bytes32[] memory path = new bytes32[](1);
        path[0] = Tree.root(honest, 0, 8);
        bytes32[] memory whole = Tree.path(honest, 1, 4, 10);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BadPath.selector, 0));
        ledger.forkByNodes(heads, 3, 1, hashes, path, path);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BadPath.selector, 0));
        ledger.forkByNodes(heads, 2, 2, hashes, path, path);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BadPath.selector, 1));
        ledger.forkByNodes(heads, 1, 4, hashes, whole, path);
    }

    function test_PositionThatOneLogLacks() public {
        bytes memory heads = bytes.concat(_of(honest, 9), _of(second, 20));
        bytes32[2] memory hashes = [Tree.leaf(honest[AT]), Tree.leaf(second[AT])];
        bytes32[] memory pathB = Tree.path(second, AT, 20);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BadPath.selector, 0));
        ledger.forkByNodes(heads, 0, AT, hashes, pathB, pathB);
    }

    function test_NothingSettledIsNoHistory() public {
        bytes memory head = _of(honest, 12);
        bytes32[2] memory hashes = [Tree.leaf(honest[AT]), Tree.leaf(second[AT])];
        bytes32[] memory pathA = Tree.path(honest, AT, 12);
        bytes32[] memory pathB = Tree.path(second, AT, 20);
        vm.expectRevert(abi.encodeWithSelector(ILedger.BadPath.selector, 1));
        ledger.forkByNodes(head, 0, AT, hashes, pathA, pathB);
        vm.expectRevert(ILedger.NoFork.selector);
        ledger.forkByHeads(head);
    }

    // Heads that are none

    function test_BadHeads() public {
        bytes memory good = _of(honest, 12);
        bytes memory foreign = _head(NODE, KEY + 1, 12, Tree.root(second, 12), 0);
        bytes memory flags = _of(second, 12, 2);
        bytes memory empty = _of(second, 0);
        bytes[3] memory bad = [foreign, flags, empty];
        for (uint256 i; i < bad.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ILedger.BadHead.selector, 0));
            ledger.forkByHeads(bytes.concat(bad[i], good));
            vm.expectRevert(abi.encodeWithSelector(ILedger.BadHead.selector, 1));
            ledger.forkByHeads(bytes.concat(good, bad[i]));
            vm.expectRevert(abi.encodeWithSelector(ILedger.BadHead.selector, 0));
            ledger.forkByHeads(bad[i]);
        }
    }

    function test_BadLengths() public {
        bytes memory head = _of(honest, 12);
        bytes[4] memory wrong = [bytes(""), new bytes(145), bytes.concat(head, hex"00"), bytes.concat(head, head, head)];
        bytes32[] memory none = new bytes32[](0);
        bytes32[2] memory hashes;
        for (uint256 i; i < wrong.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(ILedger.BadLength.selector, wrong[i].length));
            ledger.forkByHeads(wrong[i]);
            vm.expectRevert(abi.encodeWithSelector(ILedger.BadLength.selector, wrong[i].length));
            ledger.forkByNodes(wrong[i], 0, 0, hashes, none, none);
        }
    }

    function test_HeadsOfTwoNodes() public {
        bytes32 other = keccak256("other");
        _register(other, KEY, lastDay);
        bytes memory heads = bytes.concat(_of(honest, 12), _head(other, KEY, 12, Tree.root(second, 12), 0));
        vm.expectRevert(abi.encodeWithSelector(ILedger.DifferentNodes.selector, NODE, other));
        ledger.forkByHeads(heads);
    }

    function test_UnknownNode() public {
        bytes32 other = keccak256("other");
        bytes memory front = abi.encodePacked(other, uint64(5), bytes32(0), uint64(0), uint8(0));
        bytes memory head = bytes.concat(front, new bytes(65));
        vm.expectRevert(abi.encodeWithSelector(ILedger.UnknownNode.selector, other));
        ledger.forkByHeads(head);
    }

    // When

    function test_ForkedOnce() public {
        bytes memory heads = bytes.concat(_of(honest, 12), _of(second, 12));
        ledger.forkByHeads(heads);
        vm.expectRevert(abi.encodeWithSelector(ILedger.ForkedNode.selector, NODE));
        ledger.forkByHeads(heads);
    }

    function test_ClosedNode() public {
        ledger.settle(_of(honest, 12, 1));
        ledger.forkByHeads(bytes.concat(_of(honest, 10), _of(second, 10)));
        _assertStatus(ILedger.Status.Forked);
    }

    function test_RevokedNode() public {
        vm.prank(OPERATOR);
        ledger.revokeNode(NODE);
        ledger.forkByHeads(bytes.concat(_of(honest, 12), _of(second, 12)));
        _assertStatus(ILedger.Status.Forked);
    }

    function test_RevokedPolicy() public {
        vm.prank(GUARDIAN);
        ledger.revokePolicy(POLICY);
        ledger.forkByHeads(bytes.concat(_of(honest, 12), _of(second, 12)));
        _assertStatus(ILedger.Status.Forked);
    }

    function test_ExpiredNodeUntilHistoryIsFinal() public {
        bytes memory heads = bytes.concat(_of(honest, 12), _of(second, 12));
        uint256 end = _settlingEnds(lastDay) + 14 * 86_400;
        vm.warp(end);
        vm.expectRevert(abi.encodeWithSelector(ILedger.HistoryFinal.selector, NODE));
        ledger.forkByHeads(heads);
        vm.warp(end - 1);
        _assertStatus(ILedger.Status.Expired);
        ledger.forkByHeads(heads);
        _assertStatus(ILedger.Status.Forked);
    }
}
