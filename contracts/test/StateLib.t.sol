// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {State, StateLib} from "../src/StateLib.sol";
import {TimeLib} from "../src/TimeLib.sol";
import {Test} from "./utils/Test.sol";

contract StateLibTest is Test {
    function testFuzz_Fields(address key, uint16 lastDay, uint40 size, uint32 time, uint8 flags) public pure {
        vm.assume(key != address(0));
        State state = StateLib.registered(key, lastDay);
        vm.assertTrue(state.isRegistered());
        vm.assertEq(state.size() + state.settledAt(), 0);
        state = state.settled(12, 34).with(flags).settled(size, time);
        vm.assertEq(state.key(), key);
        vm.assertEq(state.lastDay(), lastDay);
        vm.assertEq(state.size(), size);
        vm.assertEq(state.settledAt(), time);
        for (uint256 bit; bit < 8; ++bit) {
            vm.assertEq(state.has(1 << bit), flags & (1 << bit) != 0);
        }
    }

    function test_NoState() public pure {
        vm.assertFalse(State.wrap(0).isRegistered());
    }

    /// @dev The last day 20,000 ends with second 1,728,086,399. Seven days later settling is over, 14 more days later
    /// history is final.
    function test_Times() public pure {
        vm.assertEq(TimeLib.settlingEnds(20_000), 1_728_086_400 + 604_800);
        vm.assertEq(TimeLib.contestingEnds(20_000), 1_728_086_400 + 604_800 + 1_209_600);
    }
}
