// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {Kind, Receipt} from "./Receipt.sol";
import {ReceiptLib} from "./ReceiptLib.sol";
import {ILedger} from "./interfaces/ILedger.sol";
import {IProofVerifier} from "./interfaces/IProofVerifier.sol";

/// @title AnswerVerifier
/// @notice Verifies that an attested node gave this answer to this request: ERC-8274's `IProofVerifier` over a
/// `Ledger`.
/// @dev The draft leaves these to the implementation:
/// - `inputHash` and `outputHash` are the SHA-256 of the HTTP bodies of request and response.
/// - `metadata` is `abi.encode(uint32 policy, bytes32 source)`. `source` is the SHA-256 of the GGUF file for a local
///   model, and `upstreamSource` for a closed provider.
/// - `proof` is `abi.encode(bytes32 node, uint256 seq, bytes payload, bytes32 saltRequest, bytes32 saltResponse,
///   bytes32[] path)`.
/// - A proof that does not hold gives false, so that the caller can record it. Bytes that cannot be decoded and calls
///   out of gas revert: otherwise a caller could turn a good proof into false by sending little gas.
/// - `verify` is a view: it spends nothing. The task id, the caller's nonce and single use belong to the outer layer
///   (`IAgentVerifier`). That layer must also build the expected request itself. Otherwise anybody can prompt for the
///   answer that they want.
contract AnswerVerifier is IProofVerifier, IERC165 {
    /// @dev What `proof` holds.
    struct Proof {
        bytes32 node;
        uint256 seq;
        bytes payload;
        bytes32 saltRequest;
        bytes32 saltResponse;
        bytes32[] path;
    }

    /// @notice The proof cannot be decoded, or the call ran out of gas.
    error Undecided();
    /// @notice The receipt is of another node or position.
    error WrongPlace(bytes32 node, uint256 seq);
    /// @notice The receipt is not one of a whole answer with status 200 by an attested enclave.
    error NoAnswer();
    /// @notice Another model or provider answered.
    error WrongSource(bytes32 source);
    /// @notice The receipt commits to another request.
    error WrongRequest();
    /// @notice The receipt commits to another response.
    error WrongResponse();
    /// @notice The node is registered under another policy.
    error WrongPolicy(uint32 policy);

    /// @notice The ledger that knows the nodes.
    ILedger public immutable LEDGER;

    /// @notice Deploys a verifier for the nodes of one ledger.
    constructor(ILedger ledger) {
        LEDGER = ledger;
    }

    /// @inheritdoc IProofVerifier
    function verify(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof)
        external
        view
        returns (bool)
    {
        try this.check(inputHash, outputHash, metadata, proof) {
            return true;
        } catch (bytes memory reason) {
            if (reason.length == 0) revert Undecided();
            return false;
        }
    }

    /// @notice Does what `verify` does, and reverts with the reason if the proof does not hold.
    /// @param inputHash SHA-256 of the request's body.
    /// @param outputHash SHA-256 of the response's body.
    /// @param metadata Policy and source, encoded as above.
    /// @param proof The proof, encoded as above.
    function check(bytes32 inputHash, bytes32 outputHash, bytes calldata metadata, bytes calldata proof) external view {
        Proof memory p = _decode(proof);
        (uint32 policy, bytes32 source) = abi.decode(metadata, (uint32, bytes32));

        Receipt memory receipt = ReceiptLib.read(p.payload);
        if (receipt.node != p.node || receipt.seq != p.seq) revert WrongPlace(receipt.node, receipt.seq);
        if (!ReceiptLib.isAnswer(receipt)) revert NoAnswer();
        if (_source(receipt) != source) revert WrongSource(_source(receipt));
        if (ReceiptLib.open(ReceiptLib.REQUEST, p.saltRequest, inputHash) != receipt.exchange.request) {
            revert WrongRequest();
        }
        if (ReceiptLib.open(ReceiptLib.RESPONSE, p.saltResponse, outputHash) != receipt.exchange.response) {
            revert WrongResponse();
        }
        (uint32 actual,,) = LEDGER.verifyReceipt(p.node, p.seq, ReceiptLib.digest(p.payload), p.path);
        if (actual != policy) revert WrongPolicy(actual);
    }

    /// @notice Returns the source of answers by a closed provider.
    /// @param host DNS name that the provider authenticates as.
    /// @param model Model that the request asks for. That the provider ran it is not proven.
    function upstreamSource(string memory host, string memory model) public pure returns (bytes32) {
        return keccak256(abi.encode(host, model));
    }

    /// @inheritdoc IProofVerifier
    function proofSystem() public pure returns (string memory) {
        return "tee/quoth";
    }

    /// @inheritdoc IProofVerifier
    /// @dev The salt is the chain and the ledger.
    function proofProfile() external view returns (bytes32) {
        return keccak256(abi.encodePacked(proofSystem(), keccak256(abi.encode(block.chainid, LEDGER))));
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IProofVerifier).interfaceId || interfaceId == type(IERC165).interfaceId;
    }

    function _decode(bytes calldata proof) private pure returns (Proof memory p) {
        (p.node, p.seq, p.payload, p.saltRequest, p.saltResponse, p.path) =
            abi.decode(proof, (bytes32, uint256, bytes, bytes32, bytes32, bytes32[]));
    }

    /// @dev Zero if nothing was executed.
    function _source(Receipt memory receipt) private pure returns (bytes32) {
        if (receipt.kind == Kind.Local) return receipt.local.modelDigest;
        if (receipt.kind == Kind.None) return 0;
        return upstreamSource(receipt.upstream.host, receipt.upstream.modelAsked);
    }
}
