// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title LogLib
/// @notice Inclusion proofs of RFC 6962 logs, with SHA-256.
/// @dev If the precompile runs out of gas, the call reverts without data, as calls out of gas do.
library LogLib {
    /// @notice Root of the empty log: SHA-256 of nothing.
    bytes32 internal constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    /// @notice Returns the hash of a leaf, SHA-256(0x00 ‖ entry).
    function leaf(bytes32 entry) internal view returns (bytes32 hash) {
        assembly ("memory-safe") {
            mstore8(0x00, 0)
            mstore(0x01, entry)
            if iszero(staticcall(gas(), 2, 0x00, 33, 0x00, 32)) { revert(0, 0) }
            hash := mload(0x00)
        }
    }

    /// @notice Returns true if the path leads from leaf `index` to the root of a log of `size` entries (RFC 9162
    /// §2.1.3.2). A path of the wrong length and an index outside the log give false.
    /// @param hash Hash of the leaf.
    /// @param index Index of the leaf, from 0.
    /// @param size Number of leaves.
    /// @param path Siblings, from the leaf upwards.
    /// @param root Root of the log.
    function includes(bytes32 hash, uint256 index, uint256 size, bytes32[] calldata path, bytes32 root)
        internal
        view
        returns (bool included)
    {
        if (index >= size) return false;
        uint256 last = size - 1;
        assembly ("memory-safe") {
            // 0x01 ‖ left ‖ right, in free memory
            let message := mload(0x40)
            let left := add(message, 1)
            let right := add(message, 33)
            mstore8(message, 1)

            let next := path.offset
            let end := add(next, shl(5, path.length))
            for {} and(lt(next, end), gt(last, 0)) { next := add(next, 32) } {
                switch or(and(index, 1), eq(index, last))
                case 0 {
                    mstore(left, hash)
                    mstore(right, calldataload(next))
                }
                default {
                    mstore(left, calldataload(next))
                    mstore(right, hash)
                    // The last node of a level has no sibling while its index is even: it moves up as it is.
                    for {} iszero(or(and(index, 1), iszero(index))) {} {
                        index := shr(1, index)
                        last := shr(1, last)
                    }
                }
                if iszero(staticcall(gas(), 2, message, 65, 0x00, 32)) { revert(0, 0) }
                hash := mload(0x00)
                index := shr(1, index)
                last := shr(1, last)
            }
            included := and(and(eq(next, end), iszero(last)), eq(hash, root))
        }
    }

    /// @notice Returns true if the path leads from a whole subtree to the root of a log of `size` entries.
    /// @dev Above any level, an RFC 6962 tree has the shape of a tree whose leaves are that level's subtrees. Only
    /// its last subtree may have fewer than 2^level entries. Here it is refused: it changes as the log grows.
    /// @param hash Hash of the subtree.
    /// @param level Level of the subtree: it has 2^level entries.
    /// @param index Index of the subtree in its level, from 0.
    /// @param size Number of entries of the log.
    /// @param path Siblings, from the subtree upwards.
    /// @param root Root of the log.
    function includesSubtree(
        bytes32 hash,
        uint256 level,
        uint256 index,
        uint256 size,
        bytes32[] calldata path,
        bytes32 root
    ) internal view returns (bool) {
        uint256 whole = size >> level;
        if (index >= whole) return false;
        uint256 all = whole << level == size ? whole : whole + 1;
        return includes(hash, index, all, path, root);
    }
}
