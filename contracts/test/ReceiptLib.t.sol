// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CborLib} from "../src/CborLib.sol";
import {Credential, Ending, Kind, Level, Outcome, Receipt} from "../src/Receipt.sol";
import {ReceiptLib} from "../src/ReceiptLib.sol";
import {Encoder} from "./utils/Encoder.sol";
import {Receipts} from "./utils/Receipts.sol";
import {Test} from "./utils/Test.sol";

/// @dev Makes the library's functions external.
contract ReceiptHarness {
    function read(bytes memory payload) external pure returns (Receipt memory) {
        return ReceiptLib.read(payload);
    }

    /// @dev A hash of every field, so that a caller's memory does not grow.
    function fingerprint(bytes memory payload) external pure returns (bytes32) {
        return keccak256(abi.encode(ReceiptLib.read(payload)));
    }

    function isAnswer(bytes memory payload) external pure returns (bool) {
        return ReceiptLib.isAnswer(ReceiptLib.read(payload));
    }
}

contract ReceiptLibTest is Test {
    ReceiptHarness private lib = new ReceiptHarness();
    string private spec;

    function setUp() public {
        spec = vm.readFile("test/vectors/spec.json");
    }

    function _vector(string memory name) private view returns (bytes memory) {
        return vm.parseJsonBytes(spec, string.concat(".", name));
    }

    // The vectors of SPEC.md

    function test_LocalVector() public view {
        Receipt memory r = lib.read(_vector("receipt-payload"));
        vm.assertEq(r.iat, 0x6b49d23c);
        vm.assertEq(bytes32(r.cti), hex"c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1c1");
        vm.assertEq(r.nonce, hex"eeeeeeeeeeeeeeee");
        vm.assertEq(r.node, vm.parseJsonBytes32(spec, ".statement-digest"));
        vm.assertEq(r.seq, 0);
        vm.assertEq(r.prev, r.node);
        vm.assertEq(uint256(r.level), uint256(Level.Tee));
        vm.assertEq(r.exchange.method, "POST");
        vm.assertEq(r.exchange.target, "/v1/chat/completions");
        vm.assertEq(r.exchange.status, 200);
        vm.assertEq(r.exchange.request, vm.parseJsonBytes32(spec, ".commitment"));
        vm.assertEq(r.exchange.responseLength, 72);
        vm.assertTrue(r.exchange.hasAnswer);
        vm.assertEq(r.exchange.answer, vm.parseJsonBytes32(spec, ".answer"));
        vm.assertTrue(r.exchange.streamed);
        vm.assertEq(uint256(r.exchange.outcome), uint256(Outcome.Complete));
        vm.assertEq(uint256(r.exchange.ending), uint256(Ending.Terminal));
        vm.assertEq(uint256(r.kind), uint256(Kind.Local));
        vm.assertEq(r.local.model, "tiny");
        vm.assertEq(r.local.modelDigest, bytes32(hex"5555555555555555555555555555555555555555555555555555555555555555"));
        vm.assertEq(r.local.arithmetic, "cpu-1/x86-64-v3");
        vm.assertEq(r.local.engine, "llama-cpp-2 0.1.160");
        vm.assertTrue(r.hasUsage);
        vm.assertEq(r.promptTokens, 3);
        vm.assertEq(r.completionTokens, 3);
        vm.assertEq(r.received, 1_800_000_059_000);
        vm.assertFalse(r.hasParent);
        vm.assertTrue(ReceiptLib.isAnswer(r));
        vm.assertEq(Encoder.receipt(r), _vector("receipt-payload"));
    }

    function test_UpstreamVector() public view {
        Receipt memory r = lib.read(_vector("receipt-payload-upstream"));
        vm.assertEq(uint256(r.kind), uint256(Kind.Upstream));
        vm.assertEq(r.upstream.provider, "openai");
        vm.assertEq(r.upstream.host, "api.openai.com");
        vm.assertEq(r.upstream.port, 443);
        vm.assertTrue(r.upstream.hasTls);
        vm.assertEq(r.upstream.tlsVersion, 0x0304);
        vm.assertEq(r.upstream.tlsSuite, 0x1301);
        vm.assertEq(r.upstream.modelAsked, "gpt-4o");
        vm.assertEq(r.upstream.modelAnswered, "gpt-4o-2024-08-06");
        vm.assertEq(r.upstream.requestId, "req_1");
        vm.assertEq(uint256(r.upstream.credential), uint256(Credential.Operator));
        vm.assertEq(r.upstream.retries, 0);
        vm.assertTrue(r.hasParent);
        vm.assertEq(r.parent, bytes32(hex"9999999999999999999999999999999999999999999999999999999999999999"));
        vm.assertEq(Encoder.receipt(r), _vector("receipt-payload-upstream"));
    }

    function test_Commitment() public view {
        bytes32 salt = vm.parseJsonBytes32(spec, ".salt");
        bytes32 hash = sha256('{"model":"tiny","messages":[{"role":"user","content":"Hi"}],"stream":true}');
        bytes32 expected = vm.parseJsonBytes32(spec, ".commitment");
        vm.assertEq(ReceiptLib.open(ReceiptLib.REQUEST, salt, hash), expected);
        vm.assertNotEq(ReceiptLib.open(ReceiptLib.RESPONSE, salt, hash), expected);
        vm.assertNotEq(ReceiptLib.open(ReceiptLib.ANSWER, salt, hash), expected);
    }

    function test_Digest() public pure {
        vm.assertEq(ReceiptLib.digest("abc"), sha256("abc"));
    }

    // Mutations: each is refused or gives another receipt

    function test_EveryByteChanged_Local() public view {
        _changeEveryByte(_vector("receipt-payload"));
    }

    function test_EveryByteChanged_Upstream() public view {
        _changeEveryByte(_vector("receipt-payload-upstream"));
    }

    /// @dev Changes every bit of every byte, and sets each byte to each seventh value.
    function _changeEveryByte(bytes memory payload) private view {
        bytes32 original = lib.fingerprint(payload);
        bytes memory data = abi.encodeCall(lib.fingerprint, (payload));
        uint256 shift = data.length - (payload.length + 31) / 32 * 32;
        for (uint256 i; i < payload.length; ++i) {
            bytes1 byte_ = data[shift + i];
            for (uint256 k; k < 45; ++k) {
                data[shift + i] = k < 8 ? byte_ ^ bytes1(uint8(1 << k)) : bytes1(uint8(7 * k - 56));
                bool good = data[shift + i] == byte_ || _fingerprint(data) != original;
                if (!good) vm.assertEq(i, type(uint256).max, "the same receipt");
            }
            data[shift + i] = byte_;
        }
        vm.assertEq(_fingerprint(data), original);
    }

    /// @dev Zero if the payload is refused. Uses no memory.
    function _fingerprint(bytes memory data) private view returns (bytes32 result) {
        address target = address(lib);
        assembly ("memory-safe") {
            mstore(0, 0)
            if staticcall(gas(), target, add(data, 32), mload(data), 0, 32) { result := mload(0) }
        }
    }

    function test_EveryTruncation() public {
        _truncate(_vector("receipt-payload"));
        _truncate(_vector("receipt-payload-upstream"));
    }

    function _truncate(bytes memory payload) private {
        for (uint256 length; length < payload.length; ++length) {
            bytes memory cut = new bytes(length);
            for (uint256 i; i < length; ++i) {
                cut[i] = payload[i];
            }
            vm.expectRevert();
            lib.fingerprint(cut);
        }
    }

    function test_EveryExtension() public {
        bytes memory payload = _vector("receipt-payload");
        for (uint256 last; last < 256; ++last) {
            vm.expectRevert(abi.encodeWithSelector(CborLib.Malformed.selector, payload.length));
            lib.fingerprint(abi.encodePacked(payload, uint8(last)));
        }
    }

    function testFuzz_Noise(bytes memory noise) public {
        vm.expectRevert();
        lib.fingerprint(noise);
    }

    // What the encoder writes is read, field by field

    function testFuzz_RoundTrip(uint256 seed) public view {
        Receipt memory r = Receipts.random(seed);
        Receipt memory read = lib.read(Encoder.receipt(r));
        vm.assertEq(keccak256(abi.encode(read)), keccak256(abi.encode(r)));
    }

    /// @dev What is accepted has one encoding: that of the encoder.
    function testFuzz_OneEncoding(uint256 seed, uint256 position, uint8 change, uint256 mode) public view {
        bytes memory payload = Encoder.receipt(Receipts.random(seed));
        position = _within(position, 0, payload.length - 1);
        bytes memory changed = _mutate(payload, position, change, mode % 4);
        try lib.read(changed) returns (Receipt memory r) {
            vm.assertEq(Encoder.receipt(r), changed);
        } catch (bytes memory reason) {
            vm.assertTrue(bytes4(reason) == CborLib.Malformed.selector);
        }
    }

    /// @dev Changes, removes, inserts or doubles a byte.
    function _mutate(bytes memory payload, uint256 position, uint8 change, uint256 mode)
        private
        pure
        returns (bytes memory)
    {
        bytes memory front = _slice(payload, 0, position);
        bytes memory back = _slice(payload, position + 1, payload.length);
        if (mode == 0) return abi.encodePacked(front, uint8(payload[position]) ^ change, back);
        if (mode == 1) return abi.encodePacked(front, back);
        if (mode == 2) return abi.encodePacked(front, change, payload[position], back);
        return abi.encodePacked(front, payload[position], payload[position], back);
    }

    function _slice(bytes memory data, uint256 from, uint256 to) private pure returns (bytes memory part) {
        part = new bytes(to - from);
        for (uint256 i; i < part.length; ++i) {
            part[i] = data[from + i];
        }
    }

    // Bounds, at the limit and one past it

    function _accepts(Receipt memory r) private view returns (bool) {
        bytes memory payload = Encoder.receipt(r);
        try lib.fingerprint(payload) {
            return true;
        } catch {
            return false;
        }
    }

    function _text(uint256 length) private pure returns (string memory) {
        bytes memory data = new bytes(length);
        for (uint256 i; i < length; ++i) {
            data[i] = "a";
        }
        return string(data);
    }

    function _local() private pure returns (Receipt memory) {
        return Receipts.local(keccak256("node"), 7);
    }

    function _upstream() private pure returns (Receipt memory) {
        return Receipts.upstream(keccak256("node"), 7);
    }

    function test_Nonces() public view {
        Receipt memory r = _local();
        uint256[6] memory lengths = [uint256(0), 7, 8, 64, 65, 1];
        bool[6] memory good = [true, false, true, true, false, false];
        for (uint256 i; i < lengths.length; ++i) {
            r.nonce = new bytes(lengths[i]);
            vm.assertEq(_accepts(r), good[i], vm.toString(lengths[i]));
        }
    }

    function test_Methods() public view {
        Receipt memory r = _local();
        r.exchange.method = _text(16);
        vm.assertTrue(_accepts(r));
        r.exchange.method = _text(17);
        vm.assertFalse(_accepts(r));
        r.exchange.method = "";
        vm.assertFalse(_accepts(r));
    }

    function test_Targets() public view {
        Receipt memory r = _local();
        r.exchange.target = _text(2048);
        vm.assertTrue(_accepts(r));
        r.exchange.target = _text(2049);
        vm.assertFalse(_accepts(r));
    }

    function test_Status() public view {
        Receipt memory r = _local();
        uint16[5] memory status = [99, 100, 999, 1000, 65_535];
        bool[5] memory good = [false, true, true, false, false];
        for (uint256 i; i < status.length; ++i) {
            r.exchange.status = status[i];
            vm.assertEq(_accepts(r), good[i]);
        }
    }

    function test_LocalTexts() public view {
        for (uint256 length = 256; length < 258; ++length) {
            Receipt memory r = _local();
            r.local.model = _text(length);
            vm.assertEq(_accepts(r), length == 256, "model");
            r = _local();
            r.local.arithmetic = _text(length);
            vm.assertEq(_accepts(r), length == 256, "arithmetic");
            r = _local();
            r.local.engine = _text(length);
            vm.assertEq(_accepts(r), length == 256, "engine");
        }
    }

    function test_UpstreamTexts() public view {
        for (uint256 length = 256; length < 258; ++length) {
            Receipt memory r = _upstream();
            r.upstream.provider = _text(length);
            vm.assertEq(_accepts(r), length == 256, "provider");
            r = _upstream();
            r.upstream.host = _text(length);
            vm.assertEq(_accepts(r), length == 256, "host");
            r = _upstream();
            r.upstream.modelAsked = _text(length);
            vm.assertEq(_accepts(r), length == 256, "model asked");
            r = _upstream();
            r.upstream.modelAnswered = _text(length);
            vm.assertEq(_accepts(r), length == 256, "model answered");
            r = _upstream();
            r.upstream.requestId = _text(length);
            vm.assertEq(_accepts(r), length == 256, "request id");
        }
    }

    function test_Retries() public view {
        Receipt memory r = _upstream();
        for (uint8 retries; retries < 6; ++retries) {
            r.upstream.retries = retries;
            vm.assertEq(_accepts(r), retries < 4);
        }
    }

    function test_Times() public view {
        Receipt memory r = _local();
        (r.received, r.firstByte, r.lastByte) = (5, 5, 5);
        vm.assertTrue(_accepts(r));
        (r.received, r.firstByte, r.lastByte) = (6, 5, 7);
        vm.assertFalse(_accepts(r));
        (r.received, r.firstByte, r.lastByte) = (5, 7, 6);
        vm.assertFalse(_accepts(r));
    }

    /// @dev Only a whole stream has an ending.
    function test_Endings() public view {
        Receipt memory r = _local();
        r.exchange.ending = Ending.FinishReason;
        for (uint256 outcome; outcome < 6; ++outcome) {
            r.exchange.outcome = Outcome(outcome);
            r.exchange.streamed = true;
            vm.assertEq(_accepts(r), outcome < 2);
            r.exchange.streamed = false;
            vm.assertFalse(_accepts(r));
        }
    }

    /// @dev The commitment to the answer may stand with an ending and without one.
    function test_Answers() public view {
        Receipt memory r = _local();
        r.exchange.hasAnswer = true;
        r.exchange.answer = keccak256("answer");
        vm.assertTrue(_accepts(r));
        r.exchange.streamed = true;
        r.exchange.ending = Ending.Terminal;
        vm.assertTrue(_accepts(r));
    }

    function test_Lengths() public {
        Receipt memory r = _local();
        r.exchange.target = _text(2048);
        bytes memory payload = Encoder.receipt(r);
        vm.assertTrue(payload.length < ReceiptLib.MAX_BYTES);
        vm.expectRevert(abi.encodeWithSelector(ReceiptLib.TooLong.selector, 8193));
        lib.fingerprint(new bytes(8193));
        vm.expectRevert(abi.encodeWithSelector(CborLib.Malformed.selector, 0));
        lib.fingerprint(new bytes(8192));
    }

    // Answers

    function test_WhatIsAnAnswer() public view {
        Receipt memory r = _local();
        vm.assertTrue(lib.isAnswer(Encoder.receipt(r)), "whole");
        r.exchange.outcome = Outcome.Length;
        vm.assertFalse(lib.isAnswer(Encoder.receipt(r)), "cut at the token limit");
        r.exchange.outcome = Outcome.ClientClosed;
        vm.assertFalse(lib.isAnswer(Encoder.receipt(r)), "client closed");
        r = _local();
        r.exchange.status = 500;
        vm.assertFalse(lib.isAnswer(Encoder.receipt(r)), "status");
        r = _local();
        r.level = Level.Vanilla;
        vm.assertFalse(lib.isAnswer(Encoder.receipt(r)), "level");
        r = _local();
        r.exchange.streamed = true;
        vm.assertFalse(lib.isAnswer(Encoder.receipt(r)), "stream without its end");
        r.exchange.ending = Ending.FinishReason;
        vm.assertTrue(lib.isAnswer(Encoder.receipt(r)), "whole stream");
    }
}
