// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {LogLib} from "../src/LogLib.sol";
import {Test} from "./utils/Test.sol";
import {Tree} from "./utils/Tree.sol";

/// @dev Makes the library's functions external.
contract LogHarness {
    function leaf(bytes32 entry) external view returns (bytes32) {
        return LogLib.leaf(entry);
    }

    function includes(bytes32 hash, uint256 index, uint256 size, bytes32[] calldata path, bytes32 root)
        external
        view
        returns (bool)
    {
        return LogLib.includes(hash, index, size, path, root);
    }

    function includesSubtree(
        bytes32 hash,
        uint256 level,
        uint256 index,
        uint256 size,
        bytes32[] calldata path,
        bytes32 root
    ) external view returns (bool) {
        return LogLib.includesSubtree(hash, level, index, size, path, root);
    }
}

contract LogLibTest is Test {
    LogHarness private log = new LogHarness();

    function test_EmptyRootIsHashOfNothing() public pure {
        vm.assertEq(LogLib.EMPTY_ROOT, sha256(""));
    }

    function test_LeafHash() public view {
        vm.assertEq(log.leaf(bytes32(uint256(7))), Tree.leaf(bytes32(uint256(7))));
    }

    function test_EveryLeafOfEverySmallLog() public view {
        bytes32[] memory all = Tree.entries(0, 20);
        for (uint256 size = 1; size <= all.length; ++size) {
            bytes32 root = Tree.root(all, size);
            for (uint256 i; i < size; ++i) {
                vm.assertTrue(log.includes(Tree.leaf(all[i]), i, size, Tree.path(all, i, size), root));
            }
        }
    }

    /// @dev A path fits one index and one size only, as far as their shapes differ.
    function test_EveryWrongIndexIsRefused() public view {
        bytes32[] memory all = Tree.entries(1, 11);
        for (uint256 size = 1; size <= all.length; ++size) {
            bytes32 root = Tree.root(all, size);
            for (uint256 i; i < size; ++i) {
                bytes32[] memory path = Tree.path(all, i, size);
                for (uint256 other; other < size + 3; ++other) {
                    bool included = log.includes(Tree.leaf(all[i]), other, size, path, root);
                    vm.assertEq(included, other == i);
                }
            }
        }
    }

    function test_EmptyLogIncludesNothing() public view {
        vm.assertFalse(log.includes(LogLib.EMPTY_ROOT, 0, 0, new bytes32[](0), LogLib.EMPTY_ROOT));
    }

    function testFuzz_Inclusion(uint256 seed, uint256 size, uint256 index) public view {
        size = _within(size, 1, 130);
        index = _within(index, 0, size - 1);
        bytes32[] memory all = Tree.entries(seed, size);
        bytes32[] memory path = Tree.path(all, index, size);
        bytes32 root = Tree.root(all);
        bytes32 leaf = Tree.leaf(all[index]);
        vm.assertTrue(log.includes(leaf, index, size, path, root));
        vm.assertFalse(log.includes(leaf, index + size, size, path, root), "outside");
        vm.assertFalse(log.includes(all[index], index, size, path, root), "entry for leaf");
        vm.assertFalse(log.includes(leaf, index, size, path, keccak256(abi.encode(root))), "root");
    }

    function testFuzz_ChangedPath(uint256 seed, uint256 size, uint256 index, uint256 position, uint8 bit) public view {
        size = _within(size, 2, 130);
        index = _within(index, 0, size - 1);
        bytes32[] memory all = Tree.entries(seed, size);
        bytes32[] memory path = Tree.path(all, index, size);
        position = _within(position, 0, path.length - 1);
        path[position] ^= bytes32(uint256(1) << bit);
        vm.assertFalse(log.includes(Tree.leaf(all[index]), index, size, path, Tree.root(all)));
    }

    function testFuzz_PathOfWrongLength(uint256 seed, uint256 size, uint256 index) public view {
        size = _within(size, 1, 130);
        index = _within(index, 0, size - 1);
        bytes32[] memory all = Tree.entries(seed, size);
        bytes32[] memory path = Tree.path(all, index, size);
        bytes32[] memory longer = new bytes32[](path.length + 1);
        bytes32[] memory shorter = new bytes32[](path.length == 0 ? 0 : path.length - 1);
        for (uint256 i; i < path.length; ++i) {
            longer[i] = path[i];
            if (i < shorter.length) shorter[i] = path[i];
        }
        bytes32 leaf = Tree.leaf(all[index]);
        vm.assertFalse(log.includes(leaf, index, size, longer, Tree.root(all)), "longer");
        if (path.length > 0) vm.assertFalse(log.includes(leaf, index, size, shorter, Tree.root(all)), "shorter");
    }

    /// @dev A log of one entry has an empty path, also if its root is the hash of a pair.
    function test_PathAboveTheRoot() public view {
        bytes32[] memory path = new bytes32[](1);
        path[0] = keccak256("sibling");
        bytes32 leaf = Tree.leaf(keccak256("entry"));
        vm.assertFalse(log.includes(leaf, 0, 1, path, Tree.node(path[0], leaf)));
        vm.assertFalse(log.includes(leaf, 0, 1, path, Tree.node(leaf, path[0])));
    }

    function testFuzz_Subtrees(uint256 seed, uint256 size, uint256 level, uint256 index) public view {
        size = _within(size, 1, 70);
        bytes32[] memory all = Tree.entries(seed, size);
        bytes32 root = Tree.root(all);
        while (size >> (level = _within(level, 0, 7)) == 0) level = level / 2;
        index = _within(index, 0, (size >> level) - 1);
        bytes32 hash = Tree.root(all, index << level, (index + 1) << level);
        bytes32[] memory path = Tree.path(all, level, index, size);
        vm.assertTrue(log.includesSubtree(hash, level, index, size, path, root));
        hash ^= bytes32(uint256(1));
        vm.assertFalse(log.includesSubtree(hash, level, index, size, path, root));
    }

    /// @dev A log of 5 has the subtrees 0 and 1 at level 1; its third, over entry 4 alone, is not whole.
    function test_SubtreeThatIsNotWhole() public view {
        bytes32[] memory all = Tree.entries(0, 5);
        bytes32[] memory path = Tree.path(all, 4, 5);
        vm.assertTrue(log.includesSubtree(Tree.leaf(all[4]), 0, 4, 5, path, Tree.root(all)), "as a leaf");
        vm.assertFalse(log.includesSubtree(Tree.leaf(all[4]), 1, 2, 5, path, Tree.root(all)), "as a subtree");
        vm.assertFalse(log.includesSubtree(Tree.root(all), 3, 0, 5, new bytes32[](0), Tree.root(all)), "the root");
    }

    function test_LevelsAndIndicesWithoutBound() public view {
        bytes32[] memory none = new bytes32[](0);
        uint256 most = type(uint256).max;
        vm.assertFalse(log.includesSubtree(0, most, 0, 1 << 40, none, 0), "level");
        vm.assertFalse(log.includesSubtree(0, 256, 0, 1 << 40, none, 0), "level 256");
        vm.assertFalse(log.includesSubtree(0, 1, most, 1 << 40, none, 0), "index");
        vm.assertFalse(log.includes(0, most, most, none, 0), "size");
    }

    /// @dev With too little gas the call reverts. It never gives an answer.
    function test_OutOfGas() public view {
        bytes32[] memory all = Tree.entries(0, 64);
        bytes memory call =
            abi.encodeCall(log.includes, (Tree.leaf(all[33]), 33, 64, Tree.path(all, 33, 64), Tree.root(all)));
        for (uint256 gas_ = 500; gas_ < 12_000; gas_ += 50) {
            (bool done, bytes memory result) = address(log).staticcall{gas: gas_}(call);
            if (done) vm.assertTrue(abi.decode(result, (bool)));
            else vm.assertEq(result.length, 0);
        }
    }
}
