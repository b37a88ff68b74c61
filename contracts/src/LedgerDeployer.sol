// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {Ledger} from "./Ledger.sol";
import {TrustRoot} from "./TrustRoot.sol";
import {ILedger} from "./interfaces/ILedger.sol";

/// @title LedgerDeployer
/// @notice Deploys a ledger and its governance in one transaction, so that no half-configured state exists.
/// @dev Roles of the `AccessManager`:
/// - governor: adds verifiers and policies and changes the quorum. Each call is scheduled, visible to all for `delay`,
///   and executed after it. The governor is also the manager's admin, with the same delay.
/// - guardian: removes verifiers and revokes policies and nodes, at once. It can cancel calls to the ledger that the
///   governor scheduled, but not calls to the manager itself.
/// This contract gives its own rights up before its constructor ends.
contract LedgerDeployer {
    /// @notice What to deploy.
    /// @param governor Account that adds and changes, with a delay.
    /// @param guardian Account that removes and revokes, at once.
    /// @param delay Seconds between scheduling and execution, at least `MIN_DELAY`.
    /// @param interval Seconds between two changes of a root.
    /// @param quorum Number of votes that a registration needs.
    /// @param verifiers First verifiers.
    /// @param policies Digests of the first policies. They get the ids from 1 on.
    struct Config {
        address governor;
        address guardian;
        uint32 delay;
        uint32 interval;
        uint256 quorum;
        address[] verifiers;
        bytes32[] policies;
    }

    /// @notice The delay is shorter than `MIN_DELAY`.
    error DelayTooShort(uint32 delay);
    /// @notice The governor or the guardian is the zero address.
    error ZeroAddress();

    /// @notice Shortest delay of governance.
    uint32 public constant MIN_DELAY = 1 days;
    /// @notice Role of the governor.
    uint64 public constant GOVERNOR = 1;
    /// @notice Role of the guardian.
    uint64 public constant GUARDIAN = 2;

    /// @notice The ledger.
    Ledger public immutable LEDGER;
    /// @notice The manager that governs it.
    AccessManager public immutable MANAGER;

    /// @notice Deploys manager and ledger.
    constructor(Config memory config) {
        if (config.delay < MIN_DELAY) revert DelayTooShort(config.delay);
        if (config.governor == address(0) || config.guardian == address(0)) revert ZeroAddress();

        AccessManager manager = new AccessManager(address(this));
        Ledger ledger = new Ledger(address(manager), config.interval, config.verifiers, config.quorum);
        (MANAGER, LEDGER) = (manager, ledger);

        bytes4[] memory delayed = new bytes4[](3);
        delayed[0] = TrustRoot.addVerifier.selector;
        delayed[1] = TrustRoot.setQuorum.selector;
        delayed[2] = TrustRoot.setPolicy.selector;
        manager.setTargetFunctionRole(address(ledger), delayed, GOVERNOR);

        bytes4[] memory immediate = new bytes4[](3);
        immediate[0] = TrustRoot.removeVerifier.selector;
        immediate[1] = TrustRoot.revokePolicy.selector;
        immediate[2] = ILedger.revokeNode.selector;
        manager.setTargetFunctionRole(address(ledger), immediate, GUARDIAN);

        manager.grantRole(GOVERNOR, address(this), 0);
        for (uint32 i; i < config.policies.length; ++i) {
            ledger.setPolicy(i + 1, config.policies[i]);
        }

        manager.setRoleGuardian(GOVERNOR, GUARDIAN);
        manager.grantRole(GOVERNOR, config.governor, config.delay);
        manager.grantRole(GUARDIAN, config.guardian, 0);
        manager.grantRole(manager.ADMIN_ROLE(), config.governor, config.delay);
        manager.renounceRole(GOVERNOR, address(this));
        manager.renounceRole(manager.ADMIN_ROLE(), address(this));
    }
}
