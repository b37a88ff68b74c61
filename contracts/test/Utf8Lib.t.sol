// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Utf8Lib} from "../src/Utf8Lib.sol";
import {Test} from "./utils/Test.sol";

contract Utf8LibTest is Test {
    function _isValid(bytes memory data) private pure returns (bool) {
        uint256 pointer;
        assembly {
            pointer := add(data, 32)
        }
        return Utf8Lib.isValid(pointer, data.length);
    }

    /// @dev RFC 3629 by code points: decodes, then asks whether this was the shortest form of a scalar value.
    function _reference(bytes memory data) private pure returns (bool) {
        uint256 i;
        while (i < data.length) {
            uint256 first = uint8(data[i]);
            uint256 width = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
            if (width == 0 || i + width > data.length) return false;
            uint256 point = width == 1 ? first : first & (0xff >> (width + 1));
            for (uint256 k = 1; k < width; ++k) {
                uint256 next = uint8(data[i + k]);
                if (next >> 6 != 2) return false;
                point = point << 6 | (next & 63);
            }
            uint256 least = width == 1 ? 0 : width == 2 ? 0x80 : width == 3 ? 0x800 : 0x10000;
            if (point < least || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return false;
            i += width;
        }
        return true;
    }

    function test_EveryPairOfBytes() public pure {
        bytes memory data = new bytes(2);
        for (uint256 pair; pair < 65_536; ++pair) {
            data[0] = bytes1(uint8(pair >> 8));
            data[1] = bytes1(uint8(pair));
            if (_isValid(data) != _reference(data)) vm.assertEq(pair, type(uint256).max);
        }
    }

    /// @dev Every first two bytes of longer forms, continued well and badly.
    function test_LongerForms() public pure {
        bytes[5] memory ends = [bytes(hex"80"), hex"bf", hex"8080", hex"bfbf", hex"80c0"];
        for (uint256 first = 0xc0; first < 256; ++first) {
            for (uint256 second; second < 256; ++second) {
                for (uint256 k; k < ends.length; ++k) {
                    bytes memory data = abi.encodePacked(uint8(first), uint8(second), ends[k]);
                    if (_isValid(data) != _reference(data)) vm.assertEq(first << 8 | second, type(uint256).max);
                }
            }
        }
    }

    function test_Texts() public pure {
        vm.assertTrue(_isValid(""));
        vm.assertTrue(_isValid(unicode"Grüße, 世界 🌍, and more than thirty-two bytes of ASCII after them"));
        vm.assertTrue(_isValid(new bytes(100)), "zeros");
        vm.assertFalse(_isValid(bytes.concat(new bytes(31), hex"c3")), "cut after 32 bytes");
        vm.assertFalse(_isValid(bytes.concat(new bytes(64), hex"ff")), "after two words");
    }

    function testFuzz_Bytes(bytes memory data, uint256 seed) public pure {
        vm.assertEq(_isValid(data), _reference(data));
        // The same with valid characters around them.
        for (uint256 i; i < data.length; ++i) {
            if (uint256(keccak256(abi.encode(seed, i))) % 16 != 0) data[i] = data[i] & 0x7f;
        }
        data = bytes.concat(data, unicode"é🌍", data);
        vm.assertEq(_isValid(data), _reference(data));
    }
}
