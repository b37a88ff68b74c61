// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Credential, Ending, Kind, Level, Outcome, Receipt} from "../../src/Receipt.sol";

/// @dev Receipts for tests.
library Receipts {
    bytes32 internal constant MODEL = keccak256("model");
    string internal constant ARITHMETIC = "exact-1/x86-64-v3";

    /// @dev A whole answer of a local model.
    function local(bytes32 node, uint64 seq) internal pure returns (Receipt memory r) {
        r.iat = 1_796_083_200;
        r.cti = bytes16(keccak256("cti"));
        r.node = node;
        r.seq = seq;
        r.prev = keccak256("prev");
        r.level = Level.Tee;
        r.exchange.method = "POST";
        r.exchange.target = "/v1/chat/completions";
        r.exchange.status = 200;
        r.exchange.request = keccak256("request");
        r.exchange.response = keccak256("response");
        r.exchange.responseLength = 300;
        r.kind = Kind.Local;
        r.local.model = "tiny";
        r.local.modelDigest = MODEL;
        r.local.prompt = keccak256("prompt");
        r.local.promptTokens = keccak256("prompt-tokens");
        r.local.outputTokens = keccak256("output-tokens");
        r.local.sampling = keccak256("sampling");
        r.local.arithmetic = ARITHMETIC;
        r.local.engine = "llama-cpp-2 0.1.160";
        r.hasUsage = true;
        r.promptTokens = 20;
        r.completionTokens = 1;
        r.received = 1_796_083_200_000;
        r.firstByte = 1_796_083_200_100;
        r.lastByte = 1_796_083_200_200;
    }

    /// @dev A whole answer of a closed provider.
    function upstream(bytes32 node, uint64 seq) internal pure returns (Receipt memory r) {
        r = local(node, seq);
        delete r.local;
        r.kind = Kind.Upstream;
        r.upstream.provider = "openai";
        r.upstream.host = "api.openai.com";
        r.upstream.port = 443;
        r.upstream.modelAsked = "gpt-4o";
    }

    /// @dev A receipt whose every field follows from the seed. All bounds are kept.
    function random(uint256 seed) internal pure returns (Receipt memory r) {
        r.iat = _number(seed, 1);
        r.cti = bytes16(_word(seed, 2));
        if (_bit(seed, 3)) r.nonce = bytes(_ascii(seed, 4, 8, 64));
        r.node = _word(seed, 5);
        r.seq = _number(seed, 6);
        r.prev = _word(seed, 7);
        r.level = Level(_pick(seed, 8, 3));
        r.exchange.method = _ascii(seed, 9, 1, 16);
        r.exchange.target = _ascii(seed, 10, 1, 300);
        r.exchange.status = uint16(100 + _pick(seed, 11, 900));
        r.exchange.request = _word(seed, 12);
        r.exchange.response = _word(seed, 13);
        r.exchange.responseLength = _number(seed, 14);
        r.exchange.streamed = _bit(seed, 15);
        r.exchange.outcome = Outcome(_pick(seed, 16, 6));
        if (r.exchange.streamed && uint256(r.exchange.outcome) < 2) r.exchange.ending = Ending(_pick(seed, 17, 3));
        r.exchange.hasAnswer = _bit(seed, 18);
        if (r.exchange.hasAnswer) r.exchange.answer = _word(seed, 19);
        r.kind = Kind(_pick(seed, 20, 3));
        if (r.kind == Kind.Local) _randomLocal(seed, r);
        if (r.kind == Kind.Upstream) _randomUpstream(seed, r);
        r.hasUsage = _bit(seed, 21);
        if (r.hasUsage) (r.promptTokens, r.completionTokens) = (_number(seed, 22), _number(seed, 23));
        r.received = _number(seed, 24) / 4;
        r.firstByte = r.received + _number(seed, 25) / 4;
        r.lastByte = r.firstByte + _number(seed, 26) / 4;
        r.hasParent = _bit(seed, 27);
        if (r.hasParent) r.parent = _word(seed, 28);
    }

    function _randomLocal(uint256 seed, Receipt memory r) private pure {
        r.local.model = _ascii(seed, 30, 1, 256);
        r.local.modelDigest = _word(seed, 31);
        r.local.prompt = _word(seed, 32);
        r.local.promptTokens = _word(seed, 33);
        r.local.outputTokens = _word(seed, 34);
        r.local.sampling = _word(seed, 35);
        r.local.arithmetic = _ascii(seed, 36, 1, 40);
        r.local.engine = _ascii(seed, 37, 1, 256);
    }

    function _randomUpstream(uint256 seed, Receipt memory r) private pure {
        r.upstream.provider = _ascii(seed, 40, 1, 256);
        r.upstream.host = _ascii(seed, 41, 1, 256);
        r.upstream.port = uint16(_number(seed, 42));
        r.upstream.hasTls = _bit(seed, 43);
        if (r.upstream.hasTls) {
            r.upstream.tlsVersion = uint16(_number(seed, 44));
            r.upstream.tlsSuite = uint16(_number(seed, 45));
            r.upstream.leafSpki = _word(seed, 46);
            r.upstream.chain = _word(seed, 47);
        }
        r.upstream.head = _word(seed, 48);
        r.upstream.sent = _word(seed, 49);
        r.upstream.received = _word(seed, 50);
        r.upstream.modelAsked = _ascii(seed, 51, 1, 256);
        if (_bit(seed, 52)) r.upstream.modelAnswered = _ascii(seed, 53, 1, 256);
        if (_bit(seed, 54)) r.upstream.requestId = _ascii(seed, 55, 1, 256);
        r.upstream.credential = Credential(_pick(seed, 56, 2));
        r.upstream.retries = uint8(_pick(seed, 57, 4));
    }

    function _word(uint256 seed, uint256 field) private pure returns (bytes32) {
        return keccak256(abi.encode(seed, field));
    }

    function _pick(uint256 seed, uint256 field, uint256 count) private pure returns (uint256) {
        return uint256(_word(seed, field)) % count;
    }

    function _bit(uint256 seed, uint256 field) private pure returns (bool) {
        return _pick(seed, field, 2) == 1;
    }

    /// @dev Numbers of every width, and those around the widths' limits.
    function _number(uint256 seed, uint256 field) private pure returns (uint64) {
        uint64[13] memory limits =
            [0, 1, 23, 24, 255, 256, 65_535, 65_536, type(uint32).max, 1 << 32, 1 << 40, 1 << 62, type(uint64).max];
        uint256 word = uint256(_word(seed, field));
        if (word & 1 == 0) return limits[(word >> 1) % limits.length];
        return uint64((word >> 8) >> (192 + (word >> 1) % 64));
    }

    function _ascii(uint256 seed, uint256 field, uint256 least, uint256 most) private pure returns (string memory) {
        uint256 word = uint256(_word(seed, field));
        uint256 length = word & 1 == 0 ? least + (word >> 1) % (most - least + 1) : (word & 2 == 0 ? least : most);
        bytes memory all = new bytes(length);
        for (uint256 i; i < length; ++i) {
            all[i] = bytes1(uint8(0x20 + uint256(keccak256(abi.encode(word, i))) % 0x5f));
        }
        return string(all);
    }
}
