// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title IProofVerifier
/// @notice The inner layer of the draft ERC-8274, version 0.2: is this proof valid for this input and output?
interface IProofVerifier {
    /// @notice Verifies a proof of one inference.
    /// @param inputHash Hash of the input. The implementation documents which.
    /// @param outputHash Hash of the output. The implementation documents which.
    /// @param metadata What stays the same in every call of one application.
    /// @param proof Evidence for this inference.
    /// @return True if the proof is valid.
    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof)
        external
        returns (bool);

    /// @notice Returns the kind of proof, as `paradigm/variant`.
    function proofSystem() external view returns (string memory);

    /// @notice Returns an identifier of this deployment.
    function proofProfile() external view returns (bytes32);
}
