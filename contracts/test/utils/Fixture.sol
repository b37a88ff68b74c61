// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {Ledger} from "../../src/Ledger.sol";
import {LedgerDeployer} from "../../src/LedgerDeployer.sol";
import {ILedger} from "../../src/interfaces/ILedger.sol";
import {Test} from "./Test.sol";

/// @dev A ledger with nine verifiers, five of whom register, and one policy.
abstract contract Fixture is Test {
    uint256 internal constant START = 1_796_083_200 + 43_200;
    uint32 internal constant INTERVAL = 300;
    uint32 internal constant DELAY = 2 days;
    uint32 internal constant POLICY = 1;
    bytes32 internal constant POLICY_DIGEST = keccak256("policy");
    uint256 internal constant QUORUM = 5;
    uint256 internal constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;
    uint256 internal constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    address internal constant GOVERNOR = address(0x60);
    address internal constant GUARDIAN = address(0x61);
    address internal constant OPERATOR = address(0x62);
    address internal constant STRANGER = address(0x63);

    bytes32 internal constant NODE = keccak256("node");
    uint256 internal constant KEY = uint256(keccak256("settlement key"));

    Ledger internal ledger;
    AccessManager internal manager;
    uint256[] internal verifierKeys;

    function setUp() public virtual {
        vm.warp(START);
        address[] memory verifiers = _verifiers(9);
        bytes32[] memory policies = new bytes32[](1);
        policies[0] = POLICY_DIGEST;
        LedgerDeployer deployer = new LedgerDeployer(
            LedgerDeployer.Config({
                governor: GOVERNOR,
                guardian: GUARDIAN,
                delay: DELAY,
                interval: INTERVAL,
                quorum: QUORUM,
                verifiers: verifiers,
                policies: policies
            })
        );
        (ledger, manager) = (deployer.LEDGER(), deployer.MANAGER());
    }

    /// @dev Fills `verifierKeys` in ascending order of addresses.
    function _verifiers(uint256 count) internal returns (address[] memory verifiers) {
        verifiers = new address[](count);
        for (uint256 i; i < count; ++i) {
            uint256 key = uint256(keccak256(abi.encode("verifier", i)));
            uint256 slot = i;
            verifierKeys.push(key);
            for (; slot > 0 && vm.addr(verifierKeys[slot - 1]) > vm.addr(key); --slot) {
                verifierKeys[slot] = verifierKeys[slot - 1];
            }
            verifierKeys[slot] = key;
        }
        for (uint256 i; i < count; ++i) {
            verifiers[i] = vm.addr(verifierKeys[i]);
        }
    }

    function _today() internal view returns (uint16) {
        return uint16(block.timestamp / 1 days);
    }

    function _signature(uint256 key, bytes32 digest) internal pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    /// @dev Votes of the first `count` verifiers.
    function _votes(bytes32 digest, uint256 count) internal view returns (bytes memory votes) {
        for (uint256 i; i < count; ++i) {
            votes = bytes.concat(votes, _signature(verifierKeys[i], digest));
        }
    }

    function _register(bytes32 node, uint256 key, uint16 lastDay) internal {
        uint64 deadline = uint64(block.timestamp + 1 hours);
        address signer = vm.addr(key);
        bytes32 digest = ledger.registrationDigest(node, signer, OPERATOR, POLICY, lastDay, deadline);
        ledger.register(node, signer, OPERATOR, POLICY, lastDay, deadline, _votes(digest, QUORUM));
    }

    function _register() internal {
        _register(NODE, KEY, _today() + 30);
    }

    function _signed(bytes memory head, uint256 key) internal pure returns (bytes memory) {
        return bytes.concat(head, _signature(key, sha256(bytes.concat("quoth/head/1", bytes1(0), head))));
    }

    function _head(bytes32 node, uint256 key, uint64 size, bytes32 root, uint8 flags)
        internal
        view
        returns (bytes memory)
    {
        return _signed(abi.encodePacked(node, size, root, uint64(block.timestamp), flags), key);
    }

    function _head(uint64 size, bytes32 root) internal view returns (bytes memory) {
        return _head(NODE, KEY, size, root, 0);
    }

    function _closed(uint64 size, bytes32 root) internal view returns (bytes memory) {
        return _head(NODE, KEY, size, root, 1);
    }

    /// @dev Settles and waits until the next root may come.
    function _settle(bytes memory head) internal {
        ledger.settle(head);
        vm.warp(block.timestamp + INTERVAL);
    }

    function _settlingEnds(uint256 lastDay) internal pure returns (uint256) {
        return (lastDay + 1) * 86_400 + 7 * 86_400;
    }

    function _status() internal view returns (ILedger.Status) {
        return ledger.nodeOf(NODE).status;
    }

    function _assertStatus(ILedger.Status expected) internal view {
        vm.assertEq(uint256(_status()), uint256(expected));
    }
}
