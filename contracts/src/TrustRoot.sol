// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {ILedger} from "./interfaces/ILedger.sol";

/// @title TrustRoot
/// @notice Verifiers, their quorum, and policies: the trust root of the ledger.
/// @dev Who may change them, and with which delay, is for the `AccessManager` to say (see `LedgerDeployer`).
abstract contract TrustRoot is AccessManaged {
    /// @notice A policy.
    /// @param digest SHA-256 of the policy file. Ids are never reused, so it never changes.
    /// @param state Whether it is in force.
    struct Policy {
        bytes32 digest;
        ILedger.PolicyState state;
    }

    /// @notice An account became a verifier.
    event VerifierAdded(address indexed verifier);
    /// @notice An account is no verifier any more. Its signatures stop counting at once.
    event VerifierRemoved(address indexed verifier);
    /// @notice The number of votes that a registration needs.
    event QuorumSet(uint256 quorum);
    /// @notice A policy is in force. Publish the file with this digest.
    event PolicySet(uint32 indexed id, bytes32 digest);
    /// @notice A policy is revoked: no node registers under it, and no receipt of its nodes verifies.
    event PolicyRevoked(uint32 indexed id);

    /// @notice The account cannot be added or removed: it is a verifier already, is none, or is zero.
    error BadVerifier(address verifier);
    /// @notice The quorum is zero, or greater than the number of verifiers.
    error BadQuorum(uint256 quorum, uint256 verifiers);
    /// @notice The policy's id or digest is zero, or the id has been used.
    error BadPolicy(uint32 id);

    uint256 private constant VOTE = 65;

    /// @notice True for verifiers.
    mapping(address account => bool) public isVerifier;
    /// @notice Number of verifiers.
    uint256 public verifierCount;
    /// @notice Number of votes that a registration needs. If fewer verifiers are left, nothing can be registered.
    uint256 public quorum;

    mapping(uint32 id => Policy) private _policies;

    /// @notice Sets the first verifiers and the quorum.
    constructor(address[] memory verifiers, uint256 quorum_) {
        for (uint256 i; i < verifiers.length; ++i) {
            _addVerifier(verifiers[i]);
        }
        _setQuorum(quorum_);
    }

    /// @notice Adds a verifier. Delayed.
    function addVerifier(address verifier) external restricted {
        _addVerifier(verifier);
    }

    /// @notice Removes a verifier. Immediate. The quorum stays as it is.
    function removeVerifier(address verifier) external restricted {
        if (!isVerifier[verifier]) revert BadVerifier(verifier);
        isVerifier[verifier] = false;
        --verifierCount;
        emit VerifierRemoved(verifier);
    }

    /// @notice Sets the number of votes that a registration needs. Delayed.
    function setQuorum(uint256 quorum_) external restricted {
        _setQuorum(quorum_);
    }

    /// @notice Puts a policy into force. Delayed. An id is used once: a new version of a policy gets a new id.
    /// @param id Id of the policy, not zero.
    /// @param digest SHA-256 of the policy file, not zero.
    function setPolicy(uint32 id, bytes32 digest) external restricted {
        Policy storage policy = _policies[id];
        if (id == 0 || digest == 0 || policy.state != ILedger.PolicyState.Unknown) revert BadPolicy(id);
        policy.digest = digest;
        policy.state = ILedger.PolicyState.Live;
        emit PolicySet(id, digest);
    }

    /// @notice Revokes a policy for ever. Immediate.
    function revokePolicy(uint32 id) external restricted {
        _requireLive(id);
        _policies[id].state = ILedger.PolicyState.Revoked;
        emit PolicyRevoked(id);
    }

    /// @notice Returns a policy.
    function policyOf(uint32 id) external view returns (Policy memory) {
        return _policies[id];
    }

    function _requireLive(uint32 id) internal view {
        ILedger.PolicyState state = _policies[id].state;
        if (state == ILedger.PolicyState.Revoked) revert ILedger.RevokedPolicy(id);
        if (state != ILedger.PolicyState.Live) revert ILedger.UnknownPolicy(id);
    }

    /// @dev Reverts unless at least a quorum voted. One bad vote spoils all: the caller has chosen them.
    function _requireQuorum(bytes32 digest, bytes calldata votes) internal view {
        if (votes.length % VOTE != 0 || votes.length / VOTE < quorum) revert ILedger.NoQuorum(votes.length);
        address last = address(0);
        for (uint256 i; i < votes.length; i += VOTE) {
            // Refuses high S. Zero is no verifier, so a bad signature is a bad vote.
            (address verifier,,) =
                ECDSA.tryRecover(digest, uint8(votes[i + 64]), bytes32(votes[i:i + 32]), bytes32(votes[i + 32:i + 64]));
            if (verifier <= last || !isVerifier[verifier]) revert ILedger.BadVote(i / VOTE);
            last = verifier;
        }
    }

    function _addVerifier(address verifier) private {
        if (verifier == address(0) || isVerifier[verifier]) revert BadVerifier(verifier);
        isVerifier[verifier] = true;
        ++verifierCount;
        emit VerifierAdded(verifier);
    }

    function _setQuorum(uint256 quorum_) private {
        if (quorum_ == 0 || quorum_ > verifierCount) revert BadQuorum(quorum_, verifierCount);
        quorum = quorum_;
        emit QuorumSet(quorum_);
    }
}
