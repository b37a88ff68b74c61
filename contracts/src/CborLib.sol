// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

import {Utf8Lib} from "./Utf8Lib.sol";

/// @title CborLib
/// @notice Reads deterministic CBOR (RFC 8949 §4.2.1) item by item: shortest heads, definite lengths.
/// @dev Every function takes the next item or reverts with `Malformed`. Map keys are compared as encoded, so a
/// reader that takes them in ascending order accepts the only encoding of a map.
library CborLib {
    /// @notice The bytes are not what the format demands, at this offset.
    error Malformed(uint256 offset);

    /// @notice A place in some bytes, as memory pointers.
    /// @param start First byte.
    /// @param next Next byte.
    /// @param end Just past the last byte.
    struct Reader {
        uint256 start;
        uint256 next;
        uint256 end;
    }

    uint256 private constant UNSIGNED = 0;
    uint256 private constant BYTES = 2;
    uint256 private constant TEXT = 3;
    uint256 private constant MAP = 5;
    uint256 private constant FALSE = 0xf4;
    uint256 private constant TRUE = 0xf5;

    /// @notice Returns a reader at the first byte.
    function reader(bytes memory data) internal pure returns (Reader memory r) {
        assembly ("memory-safe") {
            let start := add(data, 32)
            mstore(r, start)
            mstore(add(r, 0x20), start)
            mstore(add(r, 0x40), add(start, mload(data)))
        }
    }

    /// @notice Reverts unless the condition holds.
    function check(Reader memory r, bool holds) internal pure {
        if (!holds) revert Malformed(r.next - r.start);
    }

    /// @notice Reverts unless every byte has been taken.
    function done(Reader memory r) internal pure {
        check(r, r.next == r.end);
    }

    /// @notice Takes these bytes, if they come next.
    /// @param encoded The bytes as a number, most significant first.
    /// @param width How many.
    function take(Reader memory r, uint256 encoded, uint256 width) internal pure returns (bool taken) {
        taken = r.end - r.next >= width && _peek(r.next) >> (256 - 8 * width) == encoded;
        if (taken) r.next += width;
    }

    /// @notice Takes the map key `number`, if it comes next. It must be below 24.
    function take(Reader memory r, uint256 number) internal pure returns (bool) {
        return take(r, number, 1);
    }

    /// @notice Takes the map key `number`, which must come next. It must be below 24.
    function key(Reader memory r, uint256 number) internal pure {
        check(r, take(r, number, 1));
    }

    /// @notice Takes the head of a map and returns its number of entries.
    function map(Reader memory r) internal pure returns (uint256) {
        return _head(r, MAP);
    }

    /// @notice Takes an unsigned integer.
    function unsigned(Reader memory r) internal pure returns (uint64) {
        // An argument has 64 bits at most.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint64(_head(r, UNSIGNED));
    }

    /// @notice Takes an unsigned integer of 16 bits within bounds.
    function bounded(Reader memory r, uint16 least, uint16 most) internal pure returns (uint16) {
        uint256 number = _head(r, UNSIGNED);
        check(r, number >= least && number <= most);
        // `most` has 16 bits.
        // forge-lint: disable-next-line(unsafe-typecast)
        return uint16(number);
    }

    /// @notice Takes a boolean.
    function boolean(Reader memory r) internal pure returns (bool) {
        if (take(r, TRUE, 1)) return true;
        check(r, take(r, FALSE, 1));
        return false;
    }

    /// @notice Takes a byte string of 32 bytes.
    function bytes32_(Reader memory r) internal pure returns (bytes32) {
        _string(r, BYTES, 32, 32);
        return bytes32(_peek(r.next - 32));
    }

    /// @notice Takes a byte string of 16 bytes.
    function bytes16_(Reader memory r) internal pure returns (bytes16) {
        _string(r, BYTES, 16, 16);
        return bytes16(bytes32(_peek(r.next - 16)));
    }

    /// @notice Takes a byte string whose length is within bounds.
    function blob(Reader memory r, uint256 least, uint256 most) internal pure returns (bytes memory) {
        uint256 length = _string(r, BYTES, least, most);
        return _copy(r.next - length, length);
    }

    /// @notice Takes a text of 1 to `most` bytes of UTF-8.
    function text(Reader memory r, uint256 most) internal pure returns (string memory) {
        uint256 length = _string(r, TEXT, 1, most);
        uint256 from = r.next - length;
        check(r, Utf8Lib.isValid(from, length));
        return string(_copy(from, length));
    }

    /// @notice Takes a text of at most 32 bytes that is one of a set of names. The caller compares it with a literal.
    /// @return word The text, followed by zeros. A text that ends in a zero byte is refused: it would equal a shorter
    /// one.
    function name(Reader memory r) internal pure returns (bytes32 word) {
        uint256 length = _string(r, TEXT, 1, 32);
        uint256 mask = type(uint256).max << (8 * (32 - length));
        word = bytes32(_peek(r.next - length) & mask);
        check(r, word[length - 1] != 0);
    }

    /// @dev Takes the head and the content of a string, and returns its length.
    function _string(Reader memory r, uint256 major, uint256 least, uint256 most)
        private
        pure
        returns (uint256 length)
    {
        length = _head(r, major);
        check(r, length >= least && length <= most && length <= r.end - r.next);
        r.next += length;
    }

    /// @dev Takes a head of this major type, in its shortest form, and returns its argument.
    function _head(Reader memory r, uint256 major) private pure returns (uint256 argument) {
        uint256 pointer = r.next;
        uint256 left = r.end - pointer;
        check(r, left > 0);
        uint256 word = _peek(pointer);
        uint256 initial = word >> 248;
        check(r, initial >> 5 == major);
        argument = initial & 31;
        if (argument < 24) {
            r.next = pointer + 1;
            return argument;
        }
        check(r, argument < 28);
        // forge-lint: disable-next-line(incorrect-shift)
        uint256 width = 1 << (argument - 24);
        check(r, left > width);
        argument = (word << 8) >> (256 - 8 * width);
        // A shorter form holds what fits into half the width, and the initial byte what is below 24.
        // forge-lint: disable-next-line(incorrect-shift)
        uint256 least = width == 1 ? 24 : 1 << (4 * width);
        check(r, argument >= least);
        r.next = pointer + 1 + width;
    }

    function _copy(uint256 from, uint256 length) private pure returns (bytes memory data) {
        data = new bytes(length);
        assembly ("memory-safe") {
            mcopy(add(data, 32), from, length)
        }
    }

    function _peek(uint256 pointer) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := mload(pointer)
        }
    }
}
