// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev RFC 6962 §2.1 word by word: the reference for `LogLib`. Slow.
library Tree {
    /// @dev Entries keccak256(seed, index).
    function entries(uint256 seed, uint256 size) internal pure returns (bytes32[] memory all) {
        all = new bytes32[](size);
        for (uint256 i; i < size; ++i) {
            all[i] = keccak256(abi.encode(seed, i));
        }
    }

    function leaf(bytes32 entry) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(0), entry));
    }

    function node(bytes32 left, bytes32 right) internal pure returns (bytes32) {
        return sha256(abi.encodePacked(uint8(1), left, right));
    }

    function root(bytes32[] memory all) internal pure returns (bytes32) {
        return root(all, 0, all.length);
    }

    /// @dev Root over the entries from `from` to `to` - 1.
    function root(bytes32[] memory all, uint256 from, uint256 to) internal pure returns (bytes32) {
        if (from == to) return sha256("");
        if (to - from == 1) return leaf(all[from]);
        uint256 split = from + _split(to - from);
        return node(root(all, from, split), root(all, split, to));
    }

    /// @dev Root of the first `size` entries.
    function root(bytes32[] memory all, uint256 size) internal pure returns (bytes32) {
        return root(all, 0, size);
    }

    /// @dev Path of the leaf `index` in the log of the first `size` entries.
    function path(bytes32[] memory all, uint256 index, uint256 size) internal pure returns (bytes32[] memory) {
        return _path(all, index, index + 1, 0, size);
    }

    /// @dev Path of a whole subtree.
    function path(bytes32[] memory all, uint256 level, uint256 index, uint256 size)
        internal
        pure
        returns (bytes32[] memory)
    {
        return _path(all, index << level, (index + 1) << level, 0, size);
    }

    function _path(bytes32[] memory all, uint256 first, uint256 past, uint256 from, uint256 to)
        private
        pure
        returns (bytes32[] memory)
    {
        if (first == from && past == to) return new bytes32[](0);
        uint256 split = from + _split(to - from);
        if (past <= split) return _append(_path(all, first, past, from, split), root(all, split, to));
        return _append(_path(all, first, past, split, to), root(all, from, split));
    }

    /// @dev The largest power of two below `size`.
    function _split(uint256 size) private pure returns (uint256 power) {
        power = 1;
        while (power * 2 < size) power *= 2;
    }

    function _append(bytes32[] memory list, bytes32 last) private pure returns (bytes32[] memory longer) {
        longer = new bytes32[](list.length + 1);
        for (uint256 i; i < list.length; ++i) {
            longer[i] = list[i];
        }
        longer[list.length] = last;
    }
}
