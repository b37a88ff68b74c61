// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.24;

/// @title TimeLib
/// @notice Until when a node can be settled, and a fork of it proven. All rules use the block's time alone.
library TimeLib {
    /// @notice How long after the statement's last day settling is possible.
    uint256 internal constant SETTLING = 7 days;
    /// @notice How long after that a fork can be proven. Then history is final: a key stolen later cannot change it.
    uint256 internal constant CONTESTING = 14 days;
    /// @notice How many days ahead a last day may lie. A statement lives for 30 days at most.
    uint256 internal constant MAX_DAYS_AHEAD = 31;

    /// @notice Returns the first second at which a node cannot be settled any more.
    /// @param lastDay Last day of the statement's life, in days since the Unix epoch.
    function settlingEnds(uint256 lastDay) internal pure returns (uint256) {
        // A last day has 16 bits.
        unchecked {
            return (lastDay + 1) * 1 days + SETTLING;
        }
    }

    /// @notice Returns the first second at which a fork cannot be proven any more.
    function contestingEnds(uint256 lastDay) internal pure returns (uint256) {
        return settlingEnds(lastDay) + CONTESTING;
    }

    /// @notice Returns true if a node with this last day may be registered now.
    function mayRegister(uint256 lastDay) internal view returns (bool) {
        return lastDay <= block.timestamp / 1 days + MAX_DAYS_AHEAD && block.timestamp < settlingEnds(lastDay);
    }
}
