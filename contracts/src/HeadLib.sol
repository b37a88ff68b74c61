// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title HeadLib
/// @notice Reads signed heads of logs: node(32) size(8) root(32) time(8) flags(1) r(32) s(32) v(1).
/// @dev The signature is over SHA-256("quoth/head/1" ‖ 0x00 ‖ the first 81 bytes). A head names no chain: it is a
/// fact, valid everywhere. Its time is information only.
library HeadLib {
    /// @notice Bytes in a head.
    uint256 internal constant LENGTH = 146;

    /// @notice "quoth/head/1" ‖ 0x00, 13 bytes.
    bytes32 private constant PREFIX = 0x71756f74682f686561642f310000000000000000000000000000000000000000;

    /// @notice Root of the empty log, `LogLib.EMPTY_ROOT`.
    bytes32 private constant EMPTY_ROOT = 0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855;

    /// @notice Largest S of a signature: half of the group's order (SEC 2 §2.4.1).
    uint256 private constant MAX_S = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice A head.
    /// @param node Digest of the node's statement.
    /// @param size Number of entries.
    /// @param root Root of the log.
    /// @param closed True if the log will not grow.
    /// @param wellFormed False if flag bits are unknown, or if an empty log is not closed or has a wrong root.
    /// @param signer Address of the key that signed. Zero if the signature is bad or S is high.
    struct Head {
        bytes32 node;
        uint256 size;
        bytes32 root;
        bool closed;
        bool wellFormed;
        address signer;
    }

    /// @notice Reads the head that begins at byte `offset`.
    /// @dev The caller guarantees that 146 bytes follow. Reverts without data if a precompile runs out of gas.
    function read(bytes calldata heads, uint256 offset) internal view returns (Head memory head) {
        assembly ("memory-safe") {
            let from := add(heads.offset, offset)
            let size := shr(192, calldataload(add(from, 32)))
            let root := calldataload(add(from, 40))
            let flags := byte(0, calldataload(add(from, 80)))
            mstore(head, calldataload(from))
            mstore(add(head, 0x20), size)
            mstore(add(head, 0x40), root)
            mstore(add(head, 0x60), and(flags, 1))
            let empty := and(eq(root, EMPTY_ROOT), flags)
            mstore(add(head, 0x80), and(lt(flags, 2), or(gt(size, 0), empty)))

            // SHA-256 of 13 + 81 bytes
            let message := mload(0x40)
            mstore(message, PREFIX)
            calldatacopy(add(message, 13), from, 81)
            if iszero(staticcall(gas(), 2, message, 94, message, 32)) { revert(0, 0) }

            // ecrecover of digest, v, r, s; it returns nothing for a bad signature
            mstore(add(message, 0x20), byte(0, calldataload(add(from, 145))))
            calldatacopy(add(message, 0x40), add(from, 81), 64)
            mstore(0x00, 0)
            if iszero(staticcall(gas(), 1, message, 0x80, 0x00, 32)) { revert(0, 0) }
            if iszero(gt(mload(add(message, 0x60)), MAX_S)) { mstore(add(head, 0xa0), mload(0x00)) }
        }
    }
}
