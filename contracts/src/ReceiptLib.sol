// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {CborLib} from "./CborLib.sol";
import {Receipt, Exchange, Local, Upstream, Level, Outcome, Ending, Kind, Credential} from "./Receipt.sol";

/// @title ReceiptLib
/// @notice Reads the payload of a receipt (SPEC.md §7) and opens its commitments (SPEC.md §5).
library ReceiptLib {
    using CborLib for CborLib.Reader;

    /// @notice The payload is longer than a receipt can be.
    error TooLong(uint256 length);

    /// @notice Maximum bytes in a payload.
    uint256 internal constant MAX_BYTES = 8192;
    /// @notice Label of the commitment to the request's body.
    bytes internal constant REQUEST = "request";
    /// @notice Label of the commitment to the response's body.
    bytes internal constant RESPONSE = "response";
    /// @notice Label of the commitment to the answer's text.
    bytes internal constant ANSWER = "answer";

    bytes32 private constant PROFILE = "tag:quoth.dev,2026:receipt:1";
    uint256 private constant MIN_NONCE = 8;
    uint256 private constant MAX_NONCE = 64;
    uint256 private constant MAX_METHOD = 16;
    uint256 private constant MAX_TARGET = 2048;
    uint256 private constant MAX_TEXT = 256;
    uint16 private constant MAX_RETRIES = 3;

    // Encoded map keys: 265, and -70000 to -70008.
    uint256 private constant EAT_PROFILE = 0x190109;
    uint256 private constant NODE = 0x3a0001116f;
    uint256 private constant SEQ = 0x3a00011170;
    uint256 private constant PREV = 0x3a00011171;
    uint256 private constant LEVEL = 0x3a00011172;
    uint256 private constant EXCHANGE = 0x3a00011173;
    uint256 private constant EXECUTION = 0x3a00011174;
    uint256 private constant USAGE = 0x3a00011175;
    uint256 private constant TIMES = 0x3a00011176;
    uint256 private constant PARENT = 0x3a00011177;

    /// @notice Returns the digest of a receipt, its entry in the log: SHA-256 of the payload.
    function digest(bytes memory payload) internal pure returns (bytes32) {
        return sha256(payload);
    }

    /// @notice Returns the commitment to bytes with this SHA-256 under a label, with the salt that the caller of the
    /// node discloses: SHA-256("quoth/commit/1" ‖ 0x00 ‖ label ‖ 0x00 ‖ salt ‖ hash).
    /// @dev The opening, from which every salt comes, must never be published: it opens everything.
    function open(bytes memory label, bytes32 salt, bytes32 hash) internal pure returns (bytes32) {
        return sha256(abi.encodePacked("quoth/commit/1", bytes1(0), label, bytes1(0), salt, hash));
    }

    /// @notice Returns true if an attested enclave produced a whole answer with status 200.
    /// @dev A stream must also say how it ended. An answer cut at the token limit is not whole.
    function isAnswer(Receipt memory receipt) internal pure returns (bool) {
        Exchange memory exchange = receipt.exchange;
        bool whole = exchange.outcome == Outcome.Complete && (!exchange.streamed || exchange.ending != Ending.None);
        return receipt.level == Level.Tee && exchange.status == 200 && whole;
    }

    /// @notice Reads a payload. Accepts exactly the encodings that SPEC.md §7 allows, and reverts for all others.
    function read(bytes memory payload) internal pure returns (Receipt memory receipt) {
        if (payload.length > MAX_BYTES) revert TooLong(payload.length);
        CborLib.Reader memory r = CborLib.reader(payload);
        uint256 entries = r.map();
        uint256 taken = 9;

        r.key(6);
        receipt.iat = r.unsigned();
        r.key(7);
        receipt.cti = r.bytes16_();
        if (r.take(10)) {
            receipt.nonce = r.blob(MIN_NONCE, MAX_NONCE);
            ++taken;
        }
        _claim(r, EAT_PROFILE, 3);
        r.check(r.name() == PROFILE);
        _claim(r, NODE, 5);
        receipt.node = r.bytes32_();
        _claim(r, SEQ, 5);
        receipt.seq = r.unsigned();
        _claim(r, PREV, 5);
        receipt.prev = r.bytes32_();
        _claim(r, LEVEL, 5);
        receipt.level = _level(r);
        _claim(r, EXCHANGE, 5);
        _exchange(r, receipt.exchange);
        if (r.take(EXECUTION, 5)) {
            _execution(r, receipt);
            ++taken;
        }
        if (r.take(USAGE, 5)) {
            _usage(r, receipt);
            ++taken;
        }
        _claim(r, TIMES, 5);
        _times(r, receipt);
        if (r.take(PARENT, 5)) {
            receipt.hasParent = true;
            receipt.parent = r.bytes32_();
            ++taken;
        }
        r.check(taken == entries);
        r.done();
    }

    function _claim(CborLib.Reader memory r, uint256 encoded, uint256 width) private pure {
        r.check(r.take(encoded, width));
    }

    function _level(CborLib.Reader memory r) private pure returns (Level) {
        bytes32 name = r.name();
        if (name == "vanilla") return Level.Vanilla;
        if (name == "tee") return Level.Tee;
        r.check(name == "zkml");
        return Level.Zkml;
    }

    function _exchange(CborLib.Reader memory r, Exchange memory exchange) private pure {
        uint256 entries = r.map();
        uint256 taken = 8;
        r.key(1);
        exchange.method = r.text(MAX_METHOD);
        r.key(2);
        exchange.target = r.text(MAX_TARGET);
        r.key(3);
        exchange.status = r.bounded(100, 999);
        r.key(4);
        exchange.request = r.bytes32_();
        r.key(5);
        exchange.response = r.bytes32_();
        r.key(6);
        exchange.responseLength = r.unsigned();
        r.key(7);
        exchange.streamed = r.boolean();
        r.key(8);
        exchange.outcome = _outcome(r);
        if (r.take(9)) {
            exchange.ending = _ending(r);
            bool whole = exchange.outcome == Outcome.Complete || exchange.outcome == Outcome.Length;
            r.check(exchange.streamed && whole);
            ++taken;
        }
        if (r.take(10)) {
            exchange.hasAnswer = true;
            exchange.answer = r.bytes32_();
            ++taken;
        }
        r.check(taken == entries);
    }

    function _outcome(CborLib.Reader memory r) private pure returns (Outcome) {
        bytes32 name = r.name();
        if (name == "complete") return Outcome.Complete;
        if (name == "length") return Outcome.Length;
        if (name == "client_closed") return Outcome.ClientClosed;
        if (name == "upstream_failed") return Outcome.UpstreamFailed;
        if (name == "engine_failed") return Outcome.EngineFailed;
        r.check(name == "refused");
        return Outcome.Refused;
    }

    function _ending(CborLib.Reader memory r) private pure returns (Ending) {
        bytes32 name = r.name();
        if (name == "terminal") return Ending.Terminal;
        r.check(name == "finish_reason");
        return Ending.FinishReason;
    }

    function _execution(CborLib.Reader memory r, Receipt memory receipt) private pure {
        uint256 entries = r.map();
        r.key(1);
        bytes32 name = r.name();
        if (name == "local") {
            receipt.kind = Kind.Local;
            _local(r, receipt.local);
            r.check(entries == 9);
        } else {
            r.check(name == "upstream");
            receipt.kind = Kind.Upstream;
            r.check(_upstream(r, receipt.upstream) == entries);
        }
    }

    function _local(CborLib.Reader memory r, Local memory local) private pure {
        r.key(2);
        local.model = r.text(MAX_TEXT);
        r.key(3);
        local.modelDigest = r.bytes32_();
        r.key(4);
        local.prompt = r.bytes32_();
        r.key(5);
        local.promptTokens = r.bytes32_();
        r.key(6);
        local.outputTokens = r.bytes32_();
        r.key(7);
        local.sampling = r.bytes32_();
        r.key(8);
        local.arithmetic = r.text(MAX_TEXT);
        r.key(9);
        local.engine = r.text(MAX_TEXT);
    }

    /// @dev Returns how many entries the map has.
    function _upstream(CborLib.Reader memory r, Upstream memory upstream) private pure returns (uint256 taken) {
        taken = 9;
        r.key(2);
        upstream.provider = r.text(MAX_TEXT);
        r.key(3);
        upstream.host = r.text(MAX_TEXT);
        r.key(4);
        upstream.port = r.bounded(0, type(uint16).max);
        if (r.take(5)) {
            _tls(r, upstream);
            ++taken;
        }
        r.key(6);
        upstream.head = r.bytes32_();
        r.key(7);
        upstream.sent = r.bytes32_();
        r.key(8);
        upstream.received = r.bytes32_();
        r.key(9);
        upstream.modelAsked = r.text(MAX_TEXT);
        if (r.take(10)) {
            upstream.modelAnswered = r.text(MAX_TEXT);
            ++taken;
        }
        if (r.take(11)) {
            upstream.requestId = r.text(MAX_TEXT);
            ++taken;
        }
        r.key(12);
        upstream.credential = _credential(r);
        if (r.take(13)) {
            upstream.retries = uint8(r.bounded(1, MAX_RETRIES));
            ++taken;
        }
    }

    function _tls(CborLib.Reader memory r, Upstream memory upstream) private pure {
        r.check(r.map() == 4);
        upstream.hasTls = true;
        r.key(1);
        upstream.tlsVersion = r.bounded(0, type(uint16).max);
        r.key(2);
        upstream.tlsSuite = r.bounded(0, type(uint16).max);
        r.key(3);
        upstream.leafSpki = r.bytes32_();
        r.key(4);
        upstream.chain = r.bytes32_();
    }

    function _credential(CborLib.Reader memory r) private pure returns (Credential) {
        bytes32 name = r.name();
        if (name == "operator") return Credential.Operator;
        r.check(name == "caller");
        return Credential.Caller;
    }

    function _usage(CborLib.Reader memory r, Receipt memory receipt) private pure {
        r.check(r.map() == 2);
        receipt.hasUsage = true;
        r.key(1);
        receipt.promptTokens = r.unsigned();
        r.key(2);
        receipt.completionTokens = r.unsigned();
    }

    function _times(CborLib.Reader memory r, Receipt memory receipt) private pure {
        r.check(r.map() == 3);
        r.key(1);
        receipt.received = r.unsigned();
        r.key(2);
        receipt.firstByte = r.unsigned();
        r.key(3);
        receipt.lastByte = r.unsigned();
        r.check(receipt.received <= receipt.firstByte && receipt.firstByte <= receipt.lastByte);
    }
}
