// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Ledger} from "../src/Ledger.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {Fixture} from "./utils/Fixture.sol";
import {Tree} from "./utils/Tree.sol";

/// @dev Does what operators, relays, forkers, governance and time may do, in any order, and checks after each step what
/// must hold of each change.
contract Handler is Fixture {
    uint256 private constant NODES = 3;
    uint256 private constant MOST = 16;
    uint256 private constant HISTORIES = 3;

    /// @dev What has ever been true of a node.
    struct Past {
        uint256 size;
        bytes32 root;
        uint256 changedAt;
        bool registered;
        bool closed;
        bool revoked;
        bool forked;
    }

    mapping(uint256 node => Past) public past;
    bool public policyRevoked;
    uint256 public settled;
    uint256 public forks;

    constructor() {
        setUp();
        for (uint256 node; node < NODES; ++node) {
            if (node == 0) continue; // left for the step `register`
            _register(id(node), KEY + node, _today() + 30);
            past[node].registered = true;
        }
    }

    function target() external view returns (Ledger) {
        return ledger;
    }

    function nodes() external pure returns (uint256) {
        return NODES;
    }

    function id(uint256 node) public pure returns (bytes32) {
        return keccak256(abi.encode("node", node));
    }

    /// @dev History 0 is the honest one. History h departs from it at entry 3h.
    function history(uint256 node, uint256 h) public pure returns (bytes32[] memory all) {
        all = Tree.entries(node, MOST);
        for (uint256 i = 3 * h; h > 0 && i < MOST; ++i) {
            all[i] = keccak256(abi.encode(all[i], h));
        }
    }

    // Steps

    function register(uint256 node, uint256 day) external checked {
        node = node % NODES;
        if (past[node].registered || policyRevoked) return;
        _register(id(node), KEY + node, uint16(_today() + day % 32));
        past[node].registered = true;
    }

    function settle(uint256 node, uint256 size, uint256 h, uint256 flags) external checked {
        ledger.settle(_any(node, size, h, flags));
    }

    function settleMany(uint256[4] calldata node, uint256 size, uint256 h) external checked {
        bytes memory heads;
        for (uint256 i; i < 4; ++i) {
            heads = bytes.concat(heads, _any(node[i], size >> (8 * i), h >> (8 * i), node[i] >> 9));
        }
        ledger.settle(heads);
    }

    function settleNoise(uint256 node, uint256 position, uint8 change) external checked {
        bytes memory head = _any(node, 5, 0, 0);
        head[position % head.length] ^= bytes1(change | 1);
        ledger.settle(head);
    }

    function forkByHeads(uint256 node, uint256 a, uint256 b, uint256 h, uint256 flags) external checked {
        // What ends a node is rare, or none would live for long.
        if (flags % 8 > 0) return;
        bytes memory heads = _any(node, a, h, flags >> 8);
        if (b % 2 == 0) heads = bytes.concat(heads, _any(node, b >> 8, h >> 8, flags >> 16));
        (bool done,) = address(ledger).call(abi.encodeCall(ledger.forkByHeads, (heads)));
        if (done) ++forks;
    }

    function forkByEntry(uint256 node, uint256 a, uint256 h, uint256 seq) external checked {
        node = node % NODES;
        uint256 size = ledger.nodeOf(id(node)).size;
        a = _within(a, 1, MOST);
        h = h % HISTORIES;
        if (size == 0) return;
        seq = seq % (a < size ? a : size);
        bytes32[] memory honest = history(node, 0);
        bytes32[] memory other = history(node, h);
        bytes memory head = _head(id(node), KEY + node, uint64(a), Tree.root(other, a), 0);
        bytes32[2] memory hashes = [Tree.leaf(other[seq]), Tree.leaf(honest[seq])];
        bytes32[] memory pathA = Tree.path(other, seq, a);
        bytes32[] memory pathB = Tree.path(honest, seq, size);
        (bool done,) = address(ledger).call(abi.encodeCall(ledger.forkByNodes, (head, 0, seq, hashes, pathA, pathB)));
        if (!done) return;
        ++forks;
        vm.assertTrue(other[seq] != honest[seq], "forked by one history");
    }

    function revokeNode(uint256 node, uint256 who) external checked {
        if (who % 16 > 1) return;
        vm.prank(who % 2 == 0 ? OPERATOR : GUARDIAN);
        (bool done,) = address(ledger).call(abi.encodeCall(ledger.revokeNode, (id(node % NODES))));
        if (done) past[node % NODES].revoked = true;
    }

    function revokePolicy(uint256 dice) external checked {
        if (policyRevoked || dice % 64 > 0) return;
        vm.prank(GUARDIAN);
        ledger.revokePolicy(POLICY);
        policyRevoked = true;
    }

    function wait(uint256 time) external checked {
        vm.warp(block.timestamp + (time % 16 == 0 ? time % 20 days : time % 400));
    }

    /// @dev Some signed head: mostly of the honest history, open, and a little larger than the settled one.
    function _any(uint256 node, uint256 size, uint256 h, uint256 flags) private view returns (bytes memory) {
        node = node % NODES;
        size = size % 4 == 0 ? (size >> 2) % (MOST + 1) : ledger.nodeOf(id(node)).size + (size >> 2) % 4;
        if (size > MOST) size = MOST;
        h = h % 16 < HISTORIES ? h % 16 : 0;
        uint8 flag = flags % 16 == 0 ? 1 : flags % 64 == 1 ? 2 : 0;
        return _head(id(node), KEY + node, uint64(size), Tree.root(history(node, h), size), flag);
    }

    // Checks

    modifier checked() {
        _;
        for (uint256 node; node < NODES; ++node) {
            _check(node);
        }
    }

    function _check(uint256 node) private {
        Past storage before = past[node];
        ILedger.Node memory now_ = ledger.nodeOf(id(node));
        bool changed = now_.size != before.size;
        vm.assertTrue(now_.size >= before.size, "size fell");
        if (!changed && before.size > 0) vm.assertEq(now_.root, before.root, "root without size");
        if (changed) {
            vm.assertTrue(before.registered, "settled before registration");
            vm.assertFalse(before.closed || before.revoked || before.forked, "root of a dead node changed");
            vm.assertEq(now_.settledAt, block.timestamp, "time of the change");
            bool soon = block.timestamp < before.changedAt + INTERVAL;
            if (soon) vm.assertTrue(now_.status == ILedger.Status.Closed, "root changed too soon");
            vm.assertTrue(block.timestamp < _settlingEnds(now_.lastDay), "settled too late");
            (before.size, before.root, before.changedAt) = (now_.size, now_.root, block.timestamp);
            ++settled;
        }
        vm.assertEq(now_.settledAt, before.changedAt, "time without change");
        if (before.forked) vm.assertTrue(now_.status == ILedger.Status.Forked, "fork forgotten");
        if (before.revoked) {
            bool dead = now_.status == ILedger.Status.Revoked || now_.status == ILedger.Status.Forked;
            vm.assertTrue(dead, "revocation forgotten");
        }
        if (before.closed) vm.assertTrue(uint256(now_.status) >= uint256(ILedger.Status.Closed), "reopened");
        if (now_.status == ILedger.Status.Forked) before.forked = true;
        if (now_.status == ILedger.Status.Closed) before.closed = true;
    }
}

contract InvariantsTest is Fixture {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Handler private handler;

    function setUp() public override {
        handler = new Handler();
        ledger = handler.target();
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(handler);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = Handler.register.selector;
        selectors[1] = Handler.settle.selector;
        selectors[2] = Handler.settleMany.selector;
        selectors[3] = Handler.settleNoise.selector;
        selectors[4] = Handler.forkByHeads.selector;
        selectors[5] = Handler.forkByEntry.selector;
        selectors[6] = Handler.revokeNode.selector;
        selectors[7] = Handler.revokePolicy.selector;
        selectors[8] = Handler.wait.selector;
        targets = new FuzzSelector[](1);
        targets[0] = FuzzSelector(address(handler), selectors);
    }

    /// @dev The receipts of a live node's settled history verify, and no receipt of a dead or unknown one.
    function invariant_VerifiesLiveNodesOnly() public view {
        for (uint256 node; node < handler.nodes(); ++node) {
            ILedger.Node memory state = ledger.nodeOf(handler.id(node));
            (bool found, uint256 h) = _history(node, state);
            vm.assertTrue(found, "a root that nobody signed");
            bytes32[] memory all = handler.history(node, h);
            (,,, bool registered,, bool revoked, bool forked) = handler.past(node);
            bool live = registered && !revoked && !forked && !handler.policyRevoked();
            if (state.size == 0) continue;
            uint256[3] memory seqs = [uint256(0), state.size / 2, state.size - 1];
            for (uint256 i; i < seqs.length; ++i) {
                vm.assertEq(_verifies(node, seqs[i], all, state.size), live, "verified");
            }
        }
    }

    /// @dev A node that signed one history only is never forked: see `forkByEntry` for the other direction.
    function invariant_StatusFollowsThePast() public view {
        for (uint256 node; node < handler.nodes(); ++node) {
            ILedger.Status status = ledger.nodeOf(handler.id(node)).status;
            (,,, bool registered,, bool revoked, bool forked) = handler.past(node);
            vm.assertEq(status == ILedger.Status.Unknown, !registered);
            vm.assertEq(status == ILedger.Status.Forked, forked);
            vm.assertEq(status == ILedger.Status.Revoked, revoked && !forked);
        }
    }

    function _history(uint256 node, ILedger.Node memory state) private view returns (bool, uint256) {
        for (uint256 h; h < 3; ++h) {
            if (Tree.root(handler.history(node, h), state.size) == state.root) return (true, h);
        }
        return (state.key == address(0), 0);
    }

    function _verifies(uint256 node, uint256 seq, bytes32[] memory all, uint256 size) private view returns (bool) {
        try ledger.verifyReceipt(handler.id(node), seq, all[seq], Tree.path(all, seq, size)) {
            return true;
        } catch {
            return false;
        }
    }
}
