// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {HeadLib} from "../src/HeadLib.sol";
import {Fixture} from "./utils/Fixture.sol";

/// @dev Makes the library's functions external.
contract HeadHarness {
    function read(bytes calldata heads, uint256 offset) external view returns (HeadLib.Head memory) {
        return HeadLib.read(heads, offset);
    }

    /// @dev Reads while the first word of memory is not zero.
    function readAfter(bytes32 scratch, bytes calldata heads) external view returns (HeadLib.Head memory) {
        assembly {
            mstore(0x00, scratch)
        }
        return HeadLib.read(heads, 0);
    }
}

contract HeadLibTest is Fixture {
    HeadHarness private harness = new HeadHarness();

    function testFuzz_Read(bytes32 node, uint64 size, bytes32 root, uint64 time, bool closed, uint256 key) public view {
        key = _within(key, 1, ORDER - 1);
        size = uint64(_within(size, 1, type(uint64).max));
        bytes memory head = _signed(abi.encodePacked(node, size, root, time, closed), key);
        HeadLib.Head memory read = harness.read(bytes.concat(hex"ff", head, hex"ff"), 1);
        vm.assertEq(read.node, node);
        vm.assertEq(read.size, size);
        vm.assertEq(read.root, root);
        vm.assertEq(read.closed, closed);
        vm.assertTrue(read.wellFormed);
        vm.assertEq(read.signer, vm.addr(key));
    }

    /// @dev The head in SPEC.md, as a node's own code signs it. The page says which key.
    function test_SpecVector() public view {
        string memory spec = vm.readFile("test/vectors/spec.json");
        HeadLib.Head memory read = harness.read(vm.parseJsonBytes(spec, ".head"), 0);
        vm.assertEq(read.node, vm.parseJsonBytes32(spec, ".statement-digest"));
        vm.assertEq(read.size, 7);
        vm.assertEq(read.root, vm.parseJsonBytes32(spec, ".log-root"));
        vm.assertFalse(read.closed);
        vm.assertTrue(read.wellFormed);
        vm.assertEq(read.signer, vm.addr(0x000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f));
    }

    function testFuzz_AnySignedByteCounts(uint256 offset, uint8 change) public view {
        bytes memory head = _head(65536, keccak256("root"));
        offset = _within(offset, 0, 80);
        vm.assume(change != 0);
        head[offset] ^= bytes1(change);
        vm.assertTrue(harness.read(head, 0).signer != vm.addr(KEY));
    }

    function test_UnknownFlags() public view {
        for (uint256 flags; flags < 256; ++flags) {
            HeadLib.Head memory read = harness.read(_head(NODE, KEY, 5, keccak256("root"), uint8(flags)), 0);
            vm.assertEq(read.wellFormed, flags < 2);
            vm.assertEq(read.closed, flags & 1 == 1);
            vm.assertEq(read.signer, vm.addr(KEY));
        }
    }

    function test_EmptyLogs() public view {
        vm.assertTrue(harness.read(_closed(0, sha256("")), 0).wellFormed, "closed");
        vm.assertFalse(harness.read(_head(0, sha256("")), 0).wellFormed, "open");
        vm.assertFalse(harness.read(_closed(0, keccak256("root")), 0).wellFormed, "wrong root");
        vm.assertFalse(harness.read(_head(0, keccak256("root")), 0).wellFormed, "open, wrong root");
        vm.assertFalse(harness.read(_head(NODE, KEY, 0, sha256(""), 3), 0).wellFormed, "flags");
    }

    /// @dev The other S of the same signature is refused, although `ecrecover` takes it.
    function test_HighS() public view {
        bytes memory head = _head(5, keccak256("root"));
        (bytes32 r, bytes32 s, uint8 v) = _parts(head);
        bytes32 high = bytes32(ORDER - uint256(s));
        bytes memory other = bytes.concat(_front(head), r, high, bytes1(v ^ 7));
        vm.assertEq(harness.read(other, 0).signer, address(0));
        bytes32 digest = sha256(bytes.concat("quoth/head/1", bytes1(0), _front(head)));
        vm.assertEq(ecrecover(digest, v ^ 7, r, high), vm.addr(KEY));
    }

    /// @dev At half of the order and one past it. Almost any (r, s) recovers some key.
    function test_LimitOfS() public view {
        bytes memory head = _head(5, keccak256("root"));
        (bytes32 r,, uint8 v) = _parts(head);
        bytes memory front = _front(head);
        bytes memory limit = bytes.concat(front, r, bytes32(HALF_ORDER), bytes1(v));
        bytes memory past = bytes.concat(front, r, bytes32(HALF_ORDER + 1), bytes1(v));
        vm.assertTrue(harness.read(limit, 0).signer != address(0), "at the limit");
        vm.assertEq(harness.read(past, 0).signer, address(0));
    }

    function test_OnlyTwoValuesOfV() public view {
        bytes memory head = _head(5, keccak256("root"));
        uint256 recovered;
        for (uint256 v; v < 256; ++v) {
            head[145] = bytes1(uint8(v));
            if (harness.read(head, 0).signer == address(0)) continue;
            vm.assertTrue(v == 27 || v == 28);
            ++recovered;
        }
        vm.assertEq(recovered, 2);
    }

    function test_SignatureOfZeros() public view {
        bytes memory front = _front(_head(5, keccak256("root")));
        vm.assertEq(harness.read(bytes.concat(front, new bytes(65)), 0).signer, address(0));
        vm.assertEq(harness.read(bytes.concat(front, new bytes(64), bytes1(uint8(27))), 0).signer, address(0));
    }

    /// @dev What memory held before is not taken for the signer.
    function test_BadSignatureAfterOtherWork() public view {
        bytes memory head = bytes.concat(_front(_head(5, keccak256("root"))), new bytes(65));
        bytes32 key = bytes32(uint256(uint160(vm.addr(KEY))));
        vm.assertEq(harness.readAfter(key, head).signer, address(0));
    }

    function _front(bytes memory head) private pure returns (bytes memory front) {
        front = new bytes(81);
        for (uint256 i; i < 81; ++i) {
            front[i] = head[i];
        }
    }

    function _parts(bytes memory head) private pure returns (bytes32 r, bytes32 s, uint8 v) {
        assembly {
            r := mload(add(head, 113))
            s := mload(add(head, 145))
            v := byte(0, mload(add(head, 177)))
        }
    }
}
