// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title ILedger
/// @notice Registers attested nodes, settles the logs of their receipts and records proven forks.
/// @dev A node is one boot of an enclave, named by the digest of its statement. Its log is an
/// RFC 6962 tree over the digests of its receipts: entry `seq` is the digest of receipt `seq`.
interface ILedger {
    /// @notice State of a node. `verifyReceipt` reverts for `Unknown`, `Revoked` and `Forked`.
    enum Status {
        /// Not registered.
        Unknown,
        /// Registered, and its log may grow.
        Active,
        /// The node signed a head with the closed flag. Its log is complete.
        Closed,
        /// The time for settling is over and the log was not closed. Later receipts may exist.
        Expired,
        /// Its operator or governance has revoked it.
        Revoked,
        /// It signed two histories.
        Forked
    }

    /// @notice State of a policy.
    enum PolicyState {
        /// Not set.
        Unknown,
        /// In force.
        Live,
        /// Revoked, for ever.
        Revoked
    }

    /// @notice Why `settle` skipped a head.
    enum Reason {
        /// Not skipped. Never emitted.
        None,
        /// The node is not registered.
        Unregistered,
        /// The node is forked.
        Forked,
        /// The node is revoked.
        Revoked,
        /// The time for settling is over.
        Expired,
        /// Unknown flag bits, an empty log that is not closed or has a wrong root, or a size above 2^40 - 1.
        Malformed,
        /// The signature is not of the node's key, or its S is high.
        BadSignature,
        /// The head is not larger than the settled one.
        Stale,
        /// The root changed less than `INTERVAL` seconds ago.
        TooSoon,
        /// The head and the settled one prove a fork: give the head to `forkByHeads`.
        Conflict
    }

    /// @notice Everything the ledger knows about a node.
    /// @param key Address of the settlement key. Zero: not registered.
    /// @param operator Address that may revoke the node.
    /// @param policy Policy under which the quorum registered the node.
    /// @param lastDay Last day of the statement's life, in days since the Unix epoch.
    /// @param status State at the current block's time.
    /// @param size Settled number of receipts.
    /// @param root Settled root. The root of an empty log is SHA-256 of nothing.
    /// @param settledAt When the root changed last, Unix seconds. Zero: never.
    struct Node {
        address key;
        address operator;
        uint32 policy;
        uint16 lastDay;
        Status status;
        uint64 size;
        bytes32 root;
        uint64 settledAt;
    }

    /// @notice A quorum registered a node.
    event Registered(
        bytes32 indexed node, address key, address indexed operator, uint32 indexed policy, uint16 lastDay
    );

    /// @notice The ledger took a head of a node.
    /// @param closed True if the head has the closed flag. It is the last one then.
    event Settled(bytes32 indexed node, uint256 size, bytes32 root, bool closed);

    /// @notice The ledger skipped a head. Anyone can cause this event for any node by sending a bad head.
    /// @dev `Stale`, `TooSoon` and `Conflict` are emitted only for heads that the node signed.
    event Skipped(bytes32 indexed node, Reason reason);

    /// @notice Somebody proved that a node signed two histories. The proof is in the transaction.
    event Forked(bytes32 indexed node, address indexed reporter);

    /// @notice The node's operator or governance revoked it.
    event Revoked(bytes32 indexed node, address indexed by);

    /// @notice The length of the heads is not as required.
    error BadLength(uint256 length);
    /// @notice The node is not registered.
    error UnknownNode(bytes32 node);
    /// @notice The node is registered already. A node is registered once.
    error RegisteredNode(bytes32 node);
    /// @notice The node is revoked.
    error RevokedNode(bytes32 node);
    /// @notice The node is forked.
    error ForkedNode(bytes32 node);
    /// @notice No such policy.
    error UnknownPolicy(uint32 policy);
    /// @notice The policy is revoked.
    error RevokedPolicy(uint32 policy);
    /// @notice The settlement key or the operator is the zero address.
    error ZeroAddress();
    /// @notice The last day is too far in the future, or settling would be over already.
    error BadLastDay(uint16 lastDay);
    /// @notice The votes are too old.
    error DeadlinePassed(uint64 deadline);
    /// @notice Fewer votes than the quorum, or votes that are not a multiple of 65 bytes long.
    error NoQuorum(uint256 length);
    /// @notice The vote at this position is no verifier's, or not in ascending order of addresses.
    error BadVote(uint256 position);
    /// @notice The log does not have this digest at this position.
    error NotIncluded(bytes32 node, uint256 seq);
    /// @notice The head at this position is malformed or not signed by the node's key.
    error BadHead(uint256 position);
    /// @notice The two heads are of different nodes.
    error DifferentNodes(bytes32 a, bytes32 b);
    /// @notice The two heads are of one history, as far as the arguments show.
    error NoFork();
    /// @notice The path at this position does not lead to the head's root.
    error BadPath(uint256 position);
    /// @notice The time for fork proofs is over.
    error HistoryFinal(bytes32 node);

    /// @notice Registers a node by a quorum of verifiers.
    /// @param node Digest of the node's statement.
    /// @param key Address of the settlement key in the statement.
    /// @param operator Address in the statement's role `operator-evm`. It may revoke the node.
    /// @param policy Policy that the statement and its evidence fulfil.
    /// @param lastDay The statement's `not after`, divided by 86,400.
    /// @param deadline Last second at which the votes count.
    /// @param votes Signatures r ‖ s ‖ v of verifiers over `registrationDigest`, 65 bytes each, in ascending
    /// order of the verifiers' addresses. All of them must be good.
    function register(
        bytes32 node,
        address key,
        address operator,
        uint32 policy,
        uint16 lastDay,
        uint64 deadline,
        bytes calldata votes
    ) external;

    /// @notice Settles heads, one after the other. Anyone may call it.
    /// @dev Skips a bad or stale head and emits `Skipped`. Reverts only if the length is no multiple of 146.
    /// @param heads Heads of 146 bytes each: node(32) size(8) root(32) time(8) flags(1) r(32) s(32) v(1).
    function settle(bytes calldata heads) external;

    /// @notice Verifies that a node's settled log has a receipt. Reverts if not, and for revoked or forked
    /// nodes and for revoked policies.
    /// @param node Digest of the node's statement.
    /// @param seq Position of the receipt.
    /// @param digest SHA-256 of the receipt's payload.
    /// @param proof Inclusion path (RFC 9162 §2.1.3) in the log of the settled size.
    /// @return policy Policy under which the node is registered.
    /// @return status `Active`, `Closed` or `Expired`.
    /// @return settledAt When the root changed last: the receipt existed then.
    function verifyReceipt(bytes32 node, uint256 seq, bytes32 digest, bytes32[] calldata proof)
        external
        view
        returns (uint32 policy, Status status, uint64 settledAt);

    /// @notice Proves a fork by heads alone: two of one size with different roots, or a closed head and a larger
    /// one.
    /// @param heads Two heads of 146 bytes, in any order, settled or not. Or one head: the other is what the
    /// ledger has settled.
    function forkByHeads(bytes calldata heads) external;

    /// @notice Proves a fork by one subtree that differs in two logs.
    /// @dev Subtree `index` of `level` is over the entries from `index` · 2^level to (`index` + 1) · 2^level - 1,
    /// which both logs must have. At level 0 it is the leaf of receipt `index`: SHA-256(0x00 ‖ digest).
    /// @param heads Two heads of 146 bytes of any sizes, settled or not. Or one head: the other is what the ledger
    /// has settled.
    /// @param level Level of the subtree.
    /// @param index Index of the subtree in its level.
    /// @param hashes The subtree's hash in the first and in the second log.
    /// @param pathA Path from the subtree to the root of the first head.
    /// @param pathB Path from the subtree to the root of the second head.
    function forkByNodes(
        bytes calldata heads,
        uint256 level,
        uint256 index,
        bytes32[2] calldata hashes,
        bytes32[] calldata pathA,
        bytes32[] calldata pathB
    ) external;

    /// @notice Revokes a node, at once and for ever. For its operator and for governance.
    function revokeNode(bytes32 node) external;

    /// @notice Returns everything the ledger knows about a node.
    function nodeOf(bytes32 node) external view returns (Node memory);

    /// @notice Returns the EIP-712 digest that verifiers sign to register a node.
    function registrationDigest(
        bytes32 node,
        address key,
        address operator,
        uint32 policy,
        uint16 lastDay,
        uint64 deadline
    ) external view returns (bytes32);
}
