// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice What proves a receipt.
enum Level {
    /// A signature by a key that the verifier must know already.
    Vanilla,
    /// A key that a platform vouches for.
    Tee,
    /// A zero-knowledge proof of the execution.
    Zkml
}

/// @notice How an exchange ended.
enum Outcome {
    /// The whole answer was produced, not necessarily delivered.
    Complete,
    /// The answer was cut at the token limit.
    Length,
    /// The caller disconnected before the end.
    ClientClosed,
    /// The provider failed, or broke its protocol.
    UpstreamFailed,
    /// The local engine failed.
    EngineFailed,
    /// Nothing was executed.
    Refused
}

/// @notice How the node knew that a stream was whole.
enum Ending {
    /// The receipt does not say: the answer is no stream, not whole, or follows version 1 of checkpoints.
    None,
    /// A terminal event.
    Terminal,
    /// A `finish_reason` for every choice, and a regular end of the body.
    FinishReason
}

/// @notice What produced a response.
enum Kind {
    /// Nothing was executed.
    None,
    /// A model inside the enclave.
    Local,
    /// A closed provider.
    Upstream
}

/// @notice Whose key authenticated the request to a provider.
enum Credential {
    /// The node operator's.
    Operator,
    /// The caller's.
    Caller
}

/// @notice Request and response.
/// @param method HTTP method.
/// @param target Path and query.
/// @param status HTTP status.
/// @param request Commitment to the request's body, label `request`.
/// @param response Commitment to the response's body, label `response`.
/// @param responseLength Bytes in that body.
/// @param streamed True if the response was an event stream.
/// @param outcome How it ended.
/// @param ending How a whole stream ended.
/// @param hasAnswer True if there is a commitment to the answer's text.
/// @param answer Commitment to the text of choice 0 in UTF-8, label `answer`.
struct Exchange {
    string method;
    string target;
    uint16 status;
    bytes32 request;
    bytes32 response;
    uint64 responseLength;
    bool streamed;
    Outcome outcome;
    Ending ending;
    bool hasAnswer;
    bytes32 answer;
}

/// @notice Execution of a model file inside the enclave.
/// @param model Name of the model in the statement.
/// @param modelDigest SHA-256 of the whole GGUF file.
/// @param prompt Commitment to the rendered prompt.
/// @param promptTokens Commitment to the prompt's token ids.
/// @param outputTokens Commitment to the output's token ids.
/// @param sampling Commitment to the sampling parameters as used.
/// @param arithmetic Arithmetic profile, such as `exact-1/x86-64-v3`.
/// @param engine Identity of the engine.
struct Local {
    string model;
    bytes32 modelDigest;
    bytes32 prompt;
    bytes32 promptTokens;
    bytes32 outputTokens;
    bytes32 sampling;
    string arithmetic;
    string engine;
}

/// @notice Execution by a closed provider. It says nothing about what the provider ran.
/// @param provider Name of the provider in the statement.
/// @param host DNS name it authenticated as.
/// @param port TCP port.
/// @param hasTls False if no connection was made: nothing was sent then.
/// @param tlsVersion TLS version.
/// @param tlsSuite Cipher suite.
/// @param leafSpki SHA-256 of the leaf's SubjectPublicKeyInfo.
/// @param chain SHA-256 of the certificates as received.
/// @param head Commitment to request line and header fields as sent.
/// @param sent Commitment to the body sent.
/// @param received Commitment to the body received.
/// @param modelAsked Model that the forwarded body names.
/// @param modelAnswered Model string in the answer, empty if absent.
/// @param requestId The provider's request id, empty if absent.
/// @param credential Whose key was used.
/// @param retries How often the same was sent before.
struct Upstream {
    string provider;
    string host;
    uint16 port;
    bool hasTls;
    uint16 tlsVersion;
    uint16 tlsSuite;
    bytes32 leafSpki;
    bytes32 chain;
    bytes32 head;
    bytes32 sent;
    bytes32 received;
    string modelAsked;
    string modelAnswered;
    string requestId;
    Credential credential;
    uint8 retries;
}

/// @notice The claims of a receipt (SPEC.md §7).
/// @param iat When it was issued, Unix seconds, by the node's clock.
/// @param cti The exchange's id.
/// @param nonce The caller's nonce, 8 to 64 bytes, or empty if it sent none.
/// @param node Digest of the node's statement.
/// @param seq Position in the node's log.
/// @param prev Digest of the receipt before; at position 0 of the statement.
/// @param level What proves the receipt.
/// @param exchange Request and response.
/// @param kind What produced the response.
/// @param local Set if `kind` is `Local`.
/// @param upstream Set if `kind` is `Upstream`.
/// @param hasUsage True if tokens were counted.
/// @param promptTokens Tokens in the prompt.
/// @param completionTokens Tokens in the answer.
/// @param received When the whole request had been read, Unix milliseconds, by the node's clock.
/// @param firstByte When the first byte of the response was ready.
/// @param lastByte When the last byte of the response was ready.
/// @param hasParent True if the caller named an earlier receipt.
/// @param parent That receipt's digest. The node does not check it.
struct Receipt {
    uint64 iat;
    bytes16 cti;
    bytes nonce;
    bytes32 node;
    uint64 seq;
    bytes32 prev;
    Level level;
    Exchange exchange;
    Kind kind;
    Local local;
    Upstream upstream;
    bool hasUsage;
    uint64 promptTokens;
    uint64 completionTokens;
    uint64 received;
    uint64 firstByte;
    uint64 lastByte;
    bool hasParent;
    bytes32 parent;
}
