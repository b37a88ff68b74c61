// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LibBitmap} from "solady/utils/LibBitmap.sol";
import {Kind, Receipt} from "../Receipt.sol";
import {ReceiptLib} from "../ReceiptLib.sol";
import {ILedger} from "../interfaces/ILedger.sol";

/// @title AskModel
/// @notice An example: asks one model questions that it answers by yes or no, and decides by its answers.
/// @dev How it works:
/// 1. `ask` fixes the request's bytes and returns the task's id.
/// 2. Anybody sends these bytes to a node whose policy is `POLICY`, with the id as nonce.
/// 3. Once the receipt is settled, anybody calls `answer` with receipt, two salts, path and the answer's text.
///
/// The contract builds the expected request itself. If it took any request, anybody could prompt for the answer that
/// they want.
///
/// Best of N: a node answers the same request as often as it is asked, and only one of the answers comes here. So the
/// one who brings it could choose. This contract leaves no choice: seed and temperature are fixed, and it demands an
/// arithmetic profile whose promise is that the logits depend on model, engine and tokens alone, such as
/// `exact-1/x86-64-v3`. All runs agree then, on nodes with one engine, which the policy pins. A contract that takes a
/// closed provider's answers has no such protection: answers can be ground until one fits, and a node can be booted
/// again before it has signed a head, so that no log shows the other answers.
///
/// A receipt proves who computed the answer, not that it is true.
contract AskModel {
    using LibBitmap for LibBitmap.Bitmap;

    /// @notice What the model decided.
    enum Decision {
        /// No such task.
        Unknown,
        /// No answer yet.
        Open,
        /// The answer begins with the word yes.
        Yes,
        /// The answer begins with the word no.
        No,
        /// Any other answer.
        Unclear
    }

    /// @notice An answer and its proof. Never send the opening: it opens everything.
    /// @param node Digest of the statement of the node that answered.
    /// @param seq Position of the receipt in the node's log.
    /// @param payload The receipt's payload.
    /// @param saltRequest Salt of the commitment `request`.
    /// @param saltAnswer Salt of the commitment `answer`.
    /// @param path Inclusion path in the settled log.
    /// @param text The answer's text.
    struct Proof {
        bytes32 node;
        uint256 seq;
        bytes payload;
        bytes32 saltRequest;
        bytes32 saltAnswer;
        bytes32[] path;
        string text;
    }

    /// @notice A question was asked. Send `request` to a node, with the task's id as nonce.
    event Asked(bytes32 indexed task, bytes request);
    /// @notice A question was answered.
    event Answered(bytes32 indexed task, Decision decision, bytes32 node, uint256 seq, string text);

    /// @notice The question is empty, longer than `MAX_QUESTION`, or has a character that JSON would escape.
    error BadQuestion();
    /// @notice The task does not exist or has been answered.
    error NotOpen(bytes32 task);
    /// @notice The receipt has been used.
    error Spent(bytes32 node, uint256 seq);
    /// @notice The receipt is of another node or position.
    error WrongPlace();
    /// @notice The receipt's nonce is not the task's id.
    error WrongNonce();
    /// @notice The receipt is not one of a whole answer with status 200 by an attested enclave.
    error NoAnswer();
    /// @notice Another model, or another arithmetic, gave the answer.
    error WrongModel();
    /// @notice The receipt commits to another request.
    error WrongRequest();
    /// @notice The receipt commits to another answer, or to none.
    error WrongAnswer();
    /// @notice The node is registered under another policy.
    error WrongPolicy(uint32 policy);

    /// @notice Maximum bytes in a question.
    uint256 public constant MAX_QUESTION = 256;

    /// @notice The ledger that knows the nodes.
    ILedger public immutable LEDGER;
    /// @notice Policy that a node must be registered under.
    uint32 public immutable POLICY;
    /// @notice SHA-256 of the model's GGUF file.
    bytes32 public immutable MODEL;

    /// @notice The model's name, as nodes know it.
    string public model;
    /// @notice The arithmetic profile that a receipt must name.
    string public arithmetic;
    /// @notice The state of each task.
    mapping(bytes32 task => Decision) public decisionOf;

    mapping(bytes32 task => bytes32) private _requestHash;
    mapping(bytes32 node => LibBitmap.Bitmap) private _spent;
    uint256 private _tasks;

    /// @notice Sets which answers count.
    /// @param ledger The ledger that knows the nodes.
    /// @param policy Policy that a node must be registered under.
    /// @param model_ The model's name, without characters that JSON would escape.
    /// @param digest SHA-256 of the model's GGUF file.
    /// @param arithmetic_ The arithmetic profile that a receipt must name.
    constructor(ILedger ledger, uint32 policy, string memory model_, bytes32 digest, string memory arithmetic_) {
        _requirePlain(bytes(model_));
        LEDGER = ledger;
        POLICY = policy;
        MODEL = digest;
        model = model_;
        arithmetic = arithmetic_;
    }

    /// @notice Asks a question.
    /// @param question 1 to `MAX_QUESTION` printable ASCII characters, without `"` and `\`.
    /// @return task The task's id, the nonce of the request.
    function ask(string calldata question) external returns (bytes32 task) {
        bytes memory request = requestFor(question);
        task = keccak256(abi.encode(block.chainid, address(this), _tasks++));
        _requestHash[task] = sha256(request);
        decisionOf[task] = Decision.Open;
        emit Asked(task, request);
    }

    /// @notice Returns the body of the request for a question, byte for byte.
    function requestFor(string calldata question) public view returns (bytes memory) {
        _requirePlain(bytes(question));
        return abi.encodePacked(
            '{"model":"',
            model,
            '","messages":[{"role":"system","content":"Answer with one word, yes or no."},',
            '{"role":"user","content":"',
            question,
            '"}],"temperature":0,"seed":0,"max_tokens":16}'
        );
    }

    /// @notice Decides a task by a settled receipt. Anybody may call it.
    /// @param task The task's id.
    /// @param proof The answer and its proof.
    function answer(bytes32 task, Proof calldata proof) external {
        if (decisionOf[task] != Decision.Open) revert NotOpen(task);
        if (_spent[proof.node].get(proof.seq)) revert Spent(proof.node, proof.seq);

        Receipt memory receipt = ReceiptLib.read(proof.payload);
        if (receipt.node != proof.node || receipt.seq != proof.seq) revert WrongPlace();
        if (keccak256(receipt.nonce) != keccak256(abi.encodePacked(task))) revert WrongNonce();
        if (!ReceiptLib.isAnswer(receipt)) revert NoAnswer();
        _requireModel(receipt);
        bytes32 opened = ReceiptLib.open(ReceiptLib.REQUEST, proof.saltRequest, _requestHash[task]);
        if (opened != receipt.exchange.request) revert WrongRequest();
        opened = ReceiptLib.open(ReceiptLib.ANSWER, proof.saltAnswer, sha256(bytes(proof.text)));
        if (!receipt.exchange.hasAnswer || opened != receipt.exchange.answer) revert WrongAnswer();

        bytes32 digest = ReceiptLib.digest(proof.payload);
        (uint32 policy,,) = LEDGER.verifyReceipt(proof.node, proof.seq, digest, proof.path);
        if (policy != POLICY) revert WrongPolicy(policy);

        _spent[proof.node].set(proof.seq);
        Decision decision = _decide(bytes(proof.text));
        decisionOf[task] = decision;
        emit Answered(task, decision, proof.node, proof.seq, proof.text);
    }

    function _requireModel(Receipt memory receipt) private view {
        bool same = receipt.kind == Kind.Local && receipt.local.modelDigest == MODEL
            && keccak256(bytes(receipt.local.arithmetic)) == keccak256(bytes(arithmetic));
        if (!same) revert WrongModel();
    }

    /// @dev What stands in the template must not be able to end its JSON string.
    function _requirePlain(bytes memory text) private pure {
        if (text.length == 0 || text.length > MAX_QUESTION) revert BadQuestion();
        for (uint256 i; i < text.length; ++i) {
            bytes1 c = text[i];
            if (c < 0x20 || c > 0x7e || c == '"' || c == "\\") revert BadQuestion();
        }
    }

    function _decide(bytes calldata text) private pure returns (Decision) {
        if (_beginsWith(text, "yes")) return Decision.Yes;
        return _beginsWith(text, "no") ? Decision.No : Decision.Unclear;
    }

    /// @dev True if the first word is `word`, which is in lower case. Upper and lower case are the same.
    function _beginsWith(bytes calldata text, bytes memory word) private pure returns (bool) {
        if (text.length < word.length) return false;
        for (uint256 i; i < word.length; ++i) {
            if (text[i] | 0x20 != word[i]) return false;
        }
        return text.length == word.length || !_isLetter(text[word.length]);
    }

    function _isLetter(bytes1 c) private pure returns (bool) {
        c = c | 0x20;
        return c >= "a" && c <= "z";
    }
}
