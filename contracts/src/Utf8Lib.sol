// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title Utf8Lib
/// @notice Checks UTF-8 (RFC 3629): no overlong forms, no surrogates, nothing above U+10FFFF.
library Utf8Lib {
    /// @dev The highest bit of each byte.
    uint256 private constant HIGH_BITS = 0x8080808080808080808080808080808080808080808080808080808080808080;

    /// @notice Returns true if `length` bytes of memory at `pointer` are UTF-8.
    function isValid(uint256 pointer, uint256 length) internal pure returns (bool) {
        uint256 end = pointer + length;
        while (pointer < end) {
            // ASCII, up to 32 bytes at a time
            uint256 left = end - pointer;
            uint256 word = _word(pointer);
            uint256 high = word & HIGH_BITS;
            if (left < 32) high = high >> (8 * (32 - left));
            if (high == 0) {
                pointer += 32;
                continue;
            }
            uint256 width = _width(word);
            if (width == 0 || width > left) return false;
            pointer += width;
        }
        return true;
    }

    /// @dev Bytes of the character at the front of `word`, 0 if it is none: table 3-7 of the Unicode Standard.
    function _width(uint256 word) private pure returns (uint256) {
        uint256 first = word >> 248;
        uint256 second = (word >> 240) & 0xff;
        if (first < 0x80) return 1;
        if (first < 0xc2) return 0;
        if (first < 0xe0) return _follows(second) ? 2 : 0;
        if (first < 0xf0) {
            if (first == 0xe0 && second < 0xa0) return 0;
            if (first == 0xed && second > 0x9f) return 0;
            return _follows(second) && _follows(word >> 232) ? 3 : 0;
        }
        if (first > 0xf4) return 0;
        if (first == 0xf0 && second < 0x90) return 0;
        if (first == 0xf4 && second > 0x8f) return 0;
        return _follows(second) && _follows(word >> 232) && _follows(word >> 224) ? 4 : 0;
    }

    /// @dev True if the lowest byte continues a character.
    function _follows(uint256 word) private pure returns (bool) {
        return word & 0xc0 == 0x80;
    }

    function _word(uint256 pointer) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(pointer)
        }
    }
}
