// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Exchange, Kind, Local, Receipt, Upstream} from "../../src/Receipt.sol";

/// @dev Writes receipts as SPEC.md §7 says: the reference for `ReceiptLib`. It shares no code with it.
library Encoder {
    function receipt(Receipt memory r) internal pure returns (bytes memory) {
        uint256 entries = 9;
        bytes memory out = bytes.concat(_key(6), number(r.iat), _key(7), blob(bytes.concat(r.cti)));
        if (r.nonce.length > 0) {
            out = bytes.concat(out, _key(10), blob(r.nonce));
            ++entries;
        }
        out = bytes.concat(out, _key(265), text("tag:quoth.dev,2026:receipt:1"));
        out = bytes.concat(out, _own(0), digest(r.node), _own(1), number(r.seq));
        out = bytes.concat(out, _own(2), digest(r.prev));
        out = bytes.concat(out, _own(3), text(["vanilla", "tee", "zkml"][uint256(r.level)]));
        out = bytes.concat(out, _own(4), exchange(r.exchange));
        if (r.kind != Kind.None) {
            out = bytes.concat(out, _own(5), r.kind == Kind.Local ? local(r.local) : upstream(r.upstream));
            ++entries;
        }
        if (r.hasUsage) {
            out = bytes.concat(out, _own(6), hex"a2", _number(1, r.promptTokens), _number(2, r.completionTokens));
            ++entries;
        }
        out = bytes.concat(out, _own(7), hex"a3", _number(1, r.received), _number(2, r.firstByte));
        out = bytes.concat(out, _number(3, r.lastByte));
        if (r.hasParent) {
            out = bytes.concat(out, _own(8), digest(r.parent));
            ++entries;
        }
        return bytes.concat(_item(5, entries), out);
    }

    function exchange(Exchange memory e) internal pure returns (bytes memory) {
        uint256 entries = 8;
        bytes memory out = bytes.concat(_text(1, e.method), _text(2, e.target), _number(3, e.status));
        out = bytes.concat(out, _digest(4, e.request), _digest(5, e.response));
        out = bytes.concat(out, _number(6, e.responseLength), _key(7), e.streamed ? bytes1(0xf5) : bytes1(0xf4));
        out = bytes.concat(out, _text(8, _outcome(uint256(e.outcome))));
        if (uint256(e.ending) > 0) {
            out = bytes.concat(out, _text(9, uint256(e.ending) == 1 ? "terminal" : "finish_reason"));
            ++entries;
        }
        if (e.hasAnswer) {
            out = bytes.concat(out, _digest(10, e.answer));
            ++entries;
        }
        return bytes.concat(_item(5, entries), out);
    }

    function local(Local memory l) internal pure returns (bytes memory) {
        bytes memory out = bytes.concat(hex"a9", _text(1, "local"), _text(2, l.model));
        out = bytes.concat(out, _digest(3, l.modelDigest), _digest(4, l.prompt));
        out = bytes.concat(out, _digest(5, l.promptTokens), _digest(6, l.outputTokens));
        return bytes.concat(out, _digest(7, l.sampling), _text(8, l.arithmetic), _text(9, l.engine));
    }

    function upstream(Upstream memory u) internal pure returns (bytes memory) {
        uint256 entries = 9;
        bytes memory out = bytes.concat(_text(1, "upstream"), _text(2, u.provider), _text(3, u.host));
        out = bytes.concat(out, _number(4, u.port));
        if (u.hasTls) {
            out = bytes.concat(out, _key(5), hex"a4", _number(1, u.tlsVersion), _number(2, u.tlsSuite));
            out = bytes.concat(out, _digest(3, u.leafSpki), _digest(4, u.chain));
            ++entries;
        }
        out = bytes.concat(out, _digest(6, u.head), _digest(7, u.sent), _digest(8, u.received));
        out = bytes.concat(out, _text(9, u.modelAsked));
        if (bytes(u.modelAnswered).length > 0) {
            out = bytes.concat(out, _text(10, u.modelAnswered));
            ++entries;
        }
        if (bytes(u.requestId).length > 0) {
            out = bytes.concat(out, _text(11, u.requestId));
            ++entries;
        }
        out = bytes.concat(out, _text(12, uint256(u.credential) == 0 ? "operator" : "caller"));
        if (u.retries > 0) {
            out = bytes.concat(out, _number(13, u.retries));
            ++entries;
        }
        return bytes.concat(_item(5, entries), out);
    }

    function number(uint256 value) internal pure returns (bytes memory) {
        return _item(0, value);
    }

    function blob(bytes memory data) internal pure returns (bytes memory) {
        return bytes.concat(_item(2, data.length), data);
    }

    function digest(bytes32 data) internal pure returns (bytes memory) {
        return blob(bytes.concat(data));
    }

    function text(string memory data) internal pure returns (bytes memory) {
        return bytes.concat(_item(3, bytes(data).length), bytes(data));
    }

    function _outcome(uint256 outcome) private pure returns (string memory) {
        if (outcome == 0) return "complete";
        if (outcome == 1) return "length";
        if (outcome == 2) return "client_closed";
        if (outcome == 3) return "upstream_failed";
        if (outcome == 4) return "engine_failed";
        return "refused";
    }

    function _number(uint256 key, uint256 value) private pure returns (bytes memory) {
        return bytes.concat(_key(key), number(value));
    }

    function _digest(uint256 key, bytes32 data) private pure returns (bytes memory) {
        return bytes.concat(_key(key), digest(data));
    }

    function _text(uint256 key, string memory data) private pure returns (bytes memory) {
        return bytes.concat(_key(key), text(data));
    }

    function _key(uint256 key) private pure returns (bytes memory) {
        return _item(0, key);
    }

    /// @dev The key -70000 - `index`.
    function _own(uint256 index) private pure returns (bytes memory) {
        return _item(1, 69_999 + index);
    }

    function _item(uint8 major, uint256 argument) private pure returns (bytes memory) {
        uint8 initial = major << 5;
        if (argument < 24) return abi.encodePacked(initial | uint8(argument));
        if (argument <= type(uint8).max) return abi.encodePacked(initial | 24, uint8(argument));
        if (argument <= type(uint16).max) return abi.encodePacked(initial | 25, uint16(argument));
        if (argument <= type(uint32).max) return abi.encodePacked(initial | 26, uint32(argument));
        return abi.encodePacked(initial | 27, uint64(argument));
    }
}
