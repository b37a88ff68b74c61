// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {EIP712} from "@openzeppelin/contracts/utils/cryptography/EIP712.sol";
import {HeadLib} from "./HeadLib.sol";
import {LogLib} from "./LogLib.sol";
import {State, StateLib} from "./StateLib.sol";
import {TimeLib} from "./TimeLib.sol";
import {TrustRoot} from "./TrustRoot.sol";
import {ILedger} from "./interfaces/ILedger.sol";

/// @title Ledger
/// @notice Registers attested nodes, settles the logs of their receipts and records proven forks.
/// @dev Holds no ether, has no owner, cannot be upgraded and loops over no storage.
///
/// What a fork proof needs, for two heads that the node signed, of sizes m <= n:
/// - m = n and other roots: the two heads.
/// - the smaller is closed: the two heads.
/// - m < n and another history: also one subtree that differs. A caller who got the smaller head holds its subtrees;
///   the larger log's side comes from its published tiles. If those are withheld, this case cannot be proven here.
/// In place of one head, the settled root will do: no signature of it is needed.
contract Ledger is ILedger, TrustRoot, EIP712 {
    using HeadLib for bytes;

    /// @dev Slot 0: state; slot 1: root; slot 2: operator and policy.
    struct Slots {
        State state;
        bytes32 root;
        address operator;
        uint32 policy;
    }

    bytes32 private constant REGISTRATION = keccak256(
        "Registration(bytes32 node,address key,address operator,uint32 policy,uint16 lastDay,uint64 deadline)"
    );

    /// @notice Seconds between two changes of a root, so that proofs in flight stay valid. Closed heads are excepted.
    uint32 public immutable INTERVAL;

    mapping(bytes32 node => Slots) private _nodes;

    /// @notice Deploys a ledger. `LedgerDeployer` deploys one with its governance.
    /// @param authority The `AccessManager` that governs it.
    /// @param interval Seconds between two changes of a root, 300 by default.
    /// @param verifiers First verifiers.
    /// @param quorum_ Number of votes that a registration needs.
    constructor(address authority, uint32 interval, address[] memory verifiers, uint256 quorum_)
        AccessManaged(authority)
        TrustRoot(verifiers, quorum_)
        EIP712("Quoth Ledger", "1")
    {
        INTERVAL = interval;
    }

    /// @inheritdoc ILedger
    function register(
        bytes32 node,
        address key,
        address operator,
        uint32 policy,
        uint16 lastDay,
        uint64 deadline,
        bytes calldata votes
    ) external {
        Slots storage slots = _nodes[node];
        if (slots.state.isRegistered()) revert RegisteredNode(node);
        if (key == address(0) || operator == address(0)) revert ZeroAddress();
        if (!TimeLib.mayRegister(lastDay)) revert BadLastDay(lastDay);
        if (block.timestamp > deadline) revert DeadlinePassed(deadline);
        _requireLive(policy);
        _requireQuorum(registrationDigest(node, key, operator, policy, lastDay, deadline), votes);

        slots.state = StateLib.registered(key, lastDay);
        slots.operator = operator;
        slots.policy = policy;
        emit Registered(node, key, operator, policy, lastDay);
    }

    /// @inheritdoc ILedger
    function settle(bytes calldata heads) external {
        if (heads.length % HeadLib.LENGTH != 0) revert BadLength(heads.length);
        for (uint256 i; i < heads.length; i += HeadLib.LENGTH) {
            _settle(heads.read(i));
        }
    }

    /// @inheritdoc ILedger
    function verifyReceipt(bytes32 node, uint256 seq, bytes32 digest, bytes32[] calldata proof)
        external
        view
        returns (uint32 policy, Status status, uint64 settledAt)
    {
        Slots storage slots = _nodes[node];
        State state = slots.state;
        status = _status(state);
        if (status == Status.Unknown) revert UnknownNode(node);
        if (status == Status.Forked) revert ForkedNode(node);
        if (status == Status.Revoked) revert RevokedNode(node);
        policy = slots.policy;
        _requireLive(policy);
        bool included = LogLib.includes(LogLib.leaf(digest), seq, state.size(), proof, slots.root);
        if (!included) revert NotIncluded(node, seq);
        settledAt = uint64(state.settledAt());
    }

    /// @inheritdoc ILedger
    function forkByHeads(bytes calldata heads) external {
        (HeadLib.Head memory a, HeadLib.Head memory b) = _pair(heads);
        bool proven = a.size == b.size ? a.root != b.root : a.size < b.size ? a.closed : b.closed;
        if (!proven) revert NoFork();
        _fork(a.node);
    }

    /// @inheritdoc ILedger
    function forkByNodes(
        bytes calldata heads,
        uint256 level,
        uint256 index,
        bytes32[2] calldata hashes,
        bytes32[] calldata pathA,
        bytes32[] calldata pathB
    ) external {
        (HeadLib.Head memory a, HeadLib.Head memory b) = _pair(heads);
        if (hashes[0] == hashes[1]) revert NoFork();
        if (!LogLib.includesSubtree(hashes[0], level, index, a.size, pathA, a.root)) revert BadPath(0);
        if (!LogLib.includesSubtree(hashes[1], level, index, b.size, pathB, b.root)) revert BadPath(1);
        _fork(a.node);
    }

    /// @inheritdoc ILedger
    function revokeNode(bytes32 node) external {
        Slots storage slots = _nodes[node];
        State state = slots.state;
        if (!state.isRegistered()) revert UnknownNode(node);
        if (msg.sender != slots.operator) _checkCanCall(msg.sender, msg.data);
        if (state.has(StateLib.FORKED)) revert ForkedNode(node);
        if (state.has(StateLib.REVOKED)) revert RevokedNode(node);
        slots.state = state.with(StateLib.REVOKED);
        emit Revoked(node, msg.sender);
    }

    /// @inheritdoc ILedger
    function nodeOf(bytes32 node) external view returns (Node memory) {
        Slots storage slots = _nodes[node];
        State state = slots.state;
        return Node({
            key: state.key(),
            operator: slots.operator,
            policy: slots.policy,
            lastDay: uint16(state.lastDay()),
            status: _status(state),
            size: uint64(state.size()),
            root: _root(slots, state),
            settledAt: uint64(state.settledAt())
        });
    }

    /// @inheritdoc ILedger
    function registrationDigest(
        bytes32 node,
        address key,
        address operator,
        uint32 policy,
        uint16 lastDay,
        uint64 deadline
    ) public view returns (bytes32) {
        return _hashTypedDataV4(keccak256(abi.encode(REGISTRATION, node, key, operator, policy, lastDay, deadline)));
    }

    /// @dev The root changes before the state, so `_root` of the old state must not be read after it.
    function _settle(HeadLib.Head memory head) private {
        Slots storage slots = _nodes[head.node];
        State state = slots.state;
        Reason reason = _refusal(head, slots, state);
        if (reason != Reason.None) {
            emit Skipped(head.node, reason);
            return;
        }
        if (head.size != state.size()) {
            state = state.settled(head.size, block.timestamp);
            slots.root = head.root;
        }
        slots.state = head.closed ? state.with(StateLib.CLOSED) : state;
        emit Settled(head.node, head.size, head.root, head.closed);
    }

    /// @dev Why a head is not settled. The order matters: what follows `BadSignature` is known to be the node's word.
    function _refusal(HeadLib.Head memory head, Slots storage slots, State state) private view returns (Reason) {
        if (!state.isRegistered()) return Reason.Unregistered;
        if (state.has(StateLib.FORKED | StateLib.REVOKED)) {
            return state.has(StateLib.FORKED) ? Reason.Forked : Reason.Revoked;
        }
        if (block.timestamp >= TimeLib.settlingEnds(state.lastDay())) return Reason.Expired;
        if (!head.wellFormed || head.size > StateLib.MAX_SIZE) return Reason.Malformed;
        if (head.signer != state.key()) return Reason.BadSignature;

        uint256 size = state.size();
        bool closed = state.has(StateLib.CLOSED);
        if (head.size > size) {
            if (closed) return Reason.Conflict;
            bool soon = block.timestamp - state.settledAt() < INTERVAL;
            return soon && !head.closed ? Reason.TooSoon : Reason.None;
        }
        if (head.size < size) return head.closed ? Reason.Conflict : Reason.Stale;
        if (head.root != _root(slots, state)) return Reason.Conflict;
        return head.closed && !closed ? Reason.None : Reason.Stale;
    }

    /// @dev Reads two heads of one node, or one head and what is settled of its node.
    function _pair(bytes calldata heads) private view returns (HeadLib.Head memory a, HeadLib.Head memory b) {
        bool both = heads.length == 2 * HeadLib.LENGTH;
        if (!both && heads.length != HeadLib.LENGTH) revert BadLength(heads.length);

        a = heads.read(0);
        Slots storage slots = _nodes[a.node];
        State state = slots.state;
        if (!state.isRegistered()) revert UnknownNode(a.node);
        if (state.has(StateLib.FORKED)) revert ForkedNode(a.node);
        if (block.timestamp >= TimeLib.contestingEnds(state.lastDay())) revert HistoryFinal(a.node);
        _requireSigned(a, state, 0);

        if (both) {
            b = heads.read(HeadLib.LENGTH);
            if (b.node != a.node) revert DifferentNodes(a.node, b.node);
            _requireSigned(b, state, 1);
        } else {
            b.size = state.size();
            b.root = _root(slots, state);
            b.closed = state.has(StateLib.CLOSED);
        }
    }

    function _fork(bytes32 node) private {
        Slots storage slots = _nodes[node];
        slots.state = slots.state.with(StateLib.FORKED);
        emit Forked(node, msg.sender);
    }

    function _requireSigned(HeadLib.Head memory head, State state, uint256 position) private pure {
        if (!head.wellFormed || head.signer != state.key()) revert BadHead(position);
    }

    /// @dev The settled root. It is not stored for an empty log.
    function _root(Slots storage slots, State state) private view returns (bytes32) {
        return state.size() == 0 ? LogLib.EMPTY_ROOT : slots.root;
    }

    function _status(State state) private view returns (Status) {
        if (!state.isRegistered()) return Status.Unknown;
        if (state.has(StateLib.FORKED)) return Status.Forked;
        if (state.has(StateLib.REVOKED)) return Status.Revoked;
        if (state.has(StateLib.CLOSED)) return Status.Closed;
        return block.timestamp < TimeLib.settlingEnds(state.lastDay()) ? Status.Active : Status.Expired;
    }
}
