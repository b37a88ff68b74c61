// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @notice A node's state in one storage slot, from the low bits:
/// key(160) size(40) settledAt(32) lastDay(16) flags(8).
type State is uint256;

using StateLib for State global;

/// @title StateLib
/// @notice Reads and changes a node's packed state, so that each call needs one load and one store.
/// @dev The key of a registered node is never zero. So a state of zero is that of an unknown node.
library StateLib {
    /// @notice Largest size that fits.
    uint256 internal constant MAX_SIZE = type(uint40).max;

    /// @notice Flag of a closed log.
    uint256 internal constant CLOSED = 1;
    /// @notice Flag of a revoked node.
    uint256 internal constant REVOKED = 2;
    /// @notice Flag of a forked node.
    uint256 internal constant FORKED = 4;

    uint256 private constant SIZE_AT = 160;
    uint256 private constant SETTLED_AT = 200;
    uint256 private constant LAST_DAY_AT = 232;
    uint256 private constant FLAGS_AT = 248;

    /// @notice Returns the state of a node that has just been registered.
    function registered(address key_, uint16 lastDay_) internal pure returns (State) {
        return State.wrap(uint256(uint160(key_)) | uint256(lastDay_) << LAST_DAY_AT);
    }

    /// @notice True if the node is registered.
    function isRegistered(State state) internal pure returns (bool) {
        return State.unwrap(state) != 0;
    }

    /// @notice Address of the settlement key.
    function key(State state) internal pure returns (address) {
        return address(uint160(State.unwrap(state)));
    }

    /// @notice Settled number of entries.
    function size(State state) internal pure returns (uint256) {
        return (State.unwrap(state) >> SIZE_AT) & MAX_SIZE;
    }

    /// @notice When the root changed last, Unix seconds. Zero: never.
    function settledAt(State state) internal pure returns (uint256) {
        return (State.unwrap(state) >> SETTLED_AT) & type(uint32).max;
    }

    /// @notice Last day of the statement's life, in days since the Unix epoch.
    function lastDay(State state) internal pure returns (uint256) {
        return (State.unwrap(state) >> LAST_DAY_AT) & type(uint16).max;
    }

    /// @notice True if one of the flags is set.
    function has(State state, uint256 flags) internal pure returns (bool) {
        return State.unwrap(state) & (flags << FLAGS_AT) != 0;
    }

    /// @notice Returns the state with a flag set. No flag is ever cleared.
    function with(State state, uint256 flag) internal pure returns (State) {
        return State.wrap(State.unwrap(state) | (flag << FLAGS_AT));
    }

    /// @notice Returns the state after settling.
    /// @param newSize At most `MAX_SIZE`.
    /// @param time Unix seconds, below 2^32: until the year 2106.
    function settled(State state, uint256 newSize, uint256 time) internal pure returns (State) {
        uint256 mask = MAX_SIZE << SIZE_AT | uint256(type(uint32).max) << SETTLED_AT;
        return State.wrap((State.unwrap(state) & ~mask) | newSize << SIZE_AT | time << SETTLED_AT);
    }
}
