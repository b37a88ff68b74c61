// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {Ledger} from "../src/Ledger.sol";
import {LedgerDeployer} from "../src/LedgerDeployer.sol";
import {TrustRoot} from "../src/TrustRoot.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {Fixture} from "./utils/Fixture.sol";

contract GovernanceTest is Fixture {
    address private constant NEW = address(0x99);

    function _refuses(address caller, bytes memory call) private {
        vm.prank(caller);
        (bool done,) = address(ledger).call(call);
        vm.assertFalse(done);
    }

    /// @dev Schedules a call and waits until it may be executed.
    function _schedule(bytes memory call) private {
        vm.prank(GOVERNOR);
        manager.schedule(address(ledger), call, 0);
        vm.warp(block.timestamp + DELAY);
    }

    /// @dev Executes a scheduled call.
    function _execute(bytes memory call) private {
        vm.prank(GOVERNOR);
        manager.execute(address(ledger), call);
    }

    function _delayed() private pure returns (bytes[3] memory) {
        return [
            abi.encodeCall(TrustRoot.addVerifier, (NEW)),
            abi.encodeCall(TrustRoot.setQuorum, (1)),
            abi.encodeCall(TrustRoot.setPolicy, (2, keccak256("second")))
        ];
    }

    function test_FirstState() public view {
        vm.assertEq(ledger.verifierCount(), 9);
        vm.assertEq(ledger.quorum(), QUORUM);
        vm.assertEq(ledger.INTERVAL(), INTERVAL);
        vm.assertTrue(ledger.isVerifier(vm.addr(verifierKeys[0])));
        vm.assertEq(ledger.policyOf(POLICY).digest, POLICY_DIGEST);
        vm.assertEq(uint256(ledger.policyOf(POLICY).state), uint256(ILedger.PolicyState.Live));
        vm.assertEq(ledger.authority(), address(manager));
    }

    function test_StrangersGovernNothing() public {
        bytes[3] memory calls = _delayed();
        for (uint256 i; i < calls.length; ++i) {
            _refuses(STRANGER, calls[i]);
            _refuses(GUARDIAN, calls[i]);
        }
        _register();
        _refuses(STRANGER, abi.encodeCall(TrustRoot.removeVerifier, (vm.addr(verifierKeys[0]))));
        _refuses(STRANGER, abi.encodeCall(TrustRoot.revokePolicy, (POLICY)));
        _refuses(STRANGER, abi.encodeCall(ILedger.revokeNode, (NODE)));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        vm.prank(STRANGER);
        ledger.revokeNode(NODE);
    }

    function test_ChangesAreDelayed() public {
        bytes[3] memory calls = _delayed();
        for (uint256 i; i < calls.length; ++i) {
            _refuses(GOVERNOR, calls[i]);
            vm.prank(GOVERNOR);
            manager.schedule(address(ledger), calls[i], 0);
        }
        vm.warp(block.timestamp + DELAY - 1);
        for (uint256 i; i < calls.length; ++i) {
            _refuses(GOVERNOR, calls[i]);
        }
        vm.warp(block.timestamp + 1);
        for (uint256 i; i < calls.length; ++i) {
            vm.prank(GOVERNOR);
            (bool done,) = address(ledger).call(calls[i]);
            vm.assertTrue(done);
        }
        vm.assertTrue(ledger.isVerifier(NEW));
        vm.assertEq(ledger.verifierCount(), 10);
        vm.assertEq(ledger.quorum(), 1);
        vm.assertEq(ledger.policyOf(2).digest, keccak256("second"));
    }

    function test_GuardianCancels() public {
        bytes memory call = abi.encodeCall(TrustRoot.addVerifier, (NEW));
        vm.prank(GOVERNOR);
        manager.schedule(address(ledger), call, 0);
        vm.prank(GUARDIAN);
        manager.cancel(GOVERNOR, address(ledger), call);
        vm.warp(block.timestamp + DELAY);
        _refuses(GOVERNOR, call);
    }

    /// @dev The governor is the manager's admin, but cannot use that to get around the delay.
    function test_AdminIsDelayed() public {
        (bool member, uint32 delay) = manager.hasRole(manager.ADMIN_ROLE(), GOVERNOR);
        vm.assertTrue(member);
        vm.assertEq(delay, DELAY);
        vm.prank(GOVERNOR);
        (bool done,) = address(manager).call(abi.encodeCall(manager.grantRole, (1, STRANGER, 0)));
        vm.assertFalse(done);
        vm.prank(GOVERNOR);
        (done,) = address(manager).call(abi.encodeCall(manager.updateAuthority, (address(ledger), STRANGER)));
        vm.assertFalse(done);
    }

    function test_RevokingIsImmediate() public {
        _register();
        address verifier = vm.addr(verifierKeys[0]);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit TrustRoot.VerifierRemoved(verifier);
        vm.prank(GUARDIAN);
        ledger.removeVerifier(verifier);
        vm.assertFalse(ledger.isVerifier(verifier));
        vm.assertEq(ledger.verifierCount(), 8);

        vm.expectEmit(true, true, true, true, address(ledger));
        emit TrustRoot.PolicyRevoked(POLICY);
        vm.prank(GUARDIAN);
        ledger.revokePolicy(POLICY);
        vm.assertEq(uint256(ledger.policyOf(POLICY).state), uint256(ILedger.PolicyState.Revoked));

        vm.expectEmit(true, true, true, true, address(ledger));
        emit ILedger.Revoked(NODE, GUARDIAN);
        vm.prank(GUARDIAN);
        ledger.revokeNode(NODE);
        _assertStatus(ILedger.Status.Revoked);
    }

    function test_Events() public {
        bytes memory call = abi.encodeCall(TrustRoot.addVerifier, (NEW));
        _schedule(call);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit TrustRoot.VerifierAdded(NEW);
        _execute(call);

        call = abi.encodeCall(TrustRoot.setQuorum, (10));
        _schedule(call);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit TrustRoot.QuorumSet(10);
        _execute(call);

        call = abi.encodeCall(TrustRoot.setPolicy, (2, keccak256("second")));
        _schedule(call);
        vm.expectEmit(true, true, true, true, address(ledger));
        emit TrustRoot.PolicySet(2, keccak256("second"));
        _execute(call);
    }

    // Values

    function _expectGovernRevert(bytes memory call, bytes memory reason) private {
        _schedule(call);
        vm.expectRevert(reason);
        _execute(call);
    }

    function test_BadVerifiers() public {
        address known = vm.addr(verifierKeys[0]);
        _expectGovernRevert(
            abi.encodeCall(TrustRoot.addVerifier, (known)),
            abi.encodeWithSelector(TrustRoot.BadVerifier.selector, known)
        );
        _expectGovernRevert(
            abi.encodeCall(TrustRoot.addVerifier, (address(0))),
            abi.encodeWithSelector(TrustRoot.BadVerifier.selector, address(0))
        );
        vm.expectRevert(abi.encodeWithSelector(TrustRoot.BadVerifier.selector, NEW));
        vm.prank(GUARDIAN);
        ledger.removeVerifier(NEW);
    }

    function test_BadQuorums() public {
        _expectGovernRevert(
            abi.encodeCall(TrustRoot.setQuorum, (0)), abi.encodeWithSelector(TrustRoot.BadQuorum.selector, 0, 9)
        );
        _expectGovernRevert(
            abi.encodeCall(TrustRoot.setQuorum, (10)), abi.encodeWithSelector(TrustRoot.BadQuorum.selector, 10, 9)
        );
    }

    /// @dev If fewer verifiers than the quorum are left, nothing is registered until governance acts.
    function test_TooFewVerifiersLeft() public {
        for (uint256 i; i < 5; ++i) {
            address verifier = vm.addr(verifierKeys[i]);
            vm.prank(GUARDIAN);
            ledger.removeVerifier(verifier);
        }
        vm.assertEq(ledger.quorum(), QUORUM);
        (bool done,) = address(this).call(abi.encodeCall(this.register, ()));
        vm.assertFalse(done);
    }

    function register() external {
        _register();
    }

    function test_PolicyIdsAreUsedOnce() public {
        bytes memory bad = abi.encodeWithSelector(TrustRoot.BadPolicy.selector, POLICY);
        _expectGovernRevert(abi.encodeCall(TrustRoot.setPolicy, (POLICY, keccak256("new"))), bad);
        vm.prank(GUARDIAN);
        ledger.revokePolicy(POLICY);
        _expectGovernRevert(abi.encodeCall(TrustRoot.setPolicy, (POLICY, POLICY_DIGEST)), bad);
        _expectGovernRevert(
            abi.encodeCall(TrustRoot.setPolicy, (0, POLICY_DIGEST)),
            abi.encodeWithSelector(TrustRoot.BadPolicy.selector, 0)
        );
        _expectGovernRevert(
            abi.encodeCall(TrustRoot.setPolicy, (3, bytes32(0))),
            abi.encodeWithSelector(TrustRoot.BadPolicy.selector, 3)
        );
    }

    function test_RevokePolicyOnce() public {
        vm.prank(GUARDIAN);
        ledger.revokePolicy(POLICY);
        vm.expectRevert(abi.encodeWithSelector(ILedger.RevokedPolicy.selector, POLICY));
        vm.prank(GUARDIAN);
        ledger.revokePolicy(POLICY);
        vm.expectRevert(abi.encodeWithSelector(ILedger.UnknownPolicy.selector, 7));
        vm.prank(GUARDIAN);
        ledger.revokePolicy(7);
    }

    // Nodes

    function test_OperatorRevokesItsNode() public {
        _register();
        vm.expectEmit(true, true, true, true, address(ledger));
        emit ILedger.Revoked(NODE, OPERATOR);
        vm.prank(OPERATOR);
        ledger.revokeNode(NODE);
        _assertStatus(ILedger.Status.Revoked);
        vm.expectRevert(abi.encodeWithSelector(ILedger.RevokedNode.selector, NODE));
        vm.prank(OPERATOR);
        ledger.revokeNode(NODE);
    }

    function test_RevokesClosedAndExpiredNodes() public {
        _register();
        ledger.settle(_closed(5, keccak256("root")));
        vm.warp(block.timestamp + 365 days);
        vm.prank(OPERATOR);
        ledger.revokeNode(NODE);
        _assertStatus(ILedger.Status.Revoked);
    }

    function test_RevokesNoForkedOrUnknownNode() public {
        vm.expectRevert(abi.encodeWithSelector(ILedger.UnknownNode.selector, NODE));
        vm.prank(GUARDIAN);
        ledger.revokeNode(NODE);
        _register();
        ledger.forkByHeads(bytes.concat(_head(5, keccak256("a")), _head(5, keccak256("b"))));
        vm.expectRevert(abi.encodeWithSelector(ILedger.ForkedNode.selector, NODE));
        vm.prank(OPERATOR);
        ledger.revokeNode(NODE);
    }

    // Deployment

    function _config() private view returns (LedgerDeployer.Config memory config) {
        address[] memory verifiers = new address[](1);
        verifiers[0] = vm.addr(verifierKeys[0]);
        config = LedgerDeployer.Config(GOVERNOR, GUARDIAN, 1 days, INTERVAL, 1, verifiers, new bytes32[](0));
    }

    function test_DeployerKeepsNoRights() public {
        LedgerDeployer deployer = new LedgerDeployer(_config());
        for (uint64 role; role < 3; ++role) {
            (bool member,) = deployer.MANAGER().hasRole(role, address(deployer));
            vm.assertFalse(member);
        }
    }

    function test_BadConfigurations() public {
        LedgerDeployer.Config memory config = _config();
        config.delay = 1 days - 1;
        vm.expectRevert(abi.encodeWithSelector(LedgerDeployer.DelayTooShort.selector, 1 days - 1));
        new LedgerDeployer(config);
        config = _config();
        config.governor = address(0);
        vm.expectRevert(LedgerDeployer.ZeroAddress.selector);
        new LedgerDeployer(config);
        config = _config();
        config.guardian = address(0);
        vm.expectRevert(LedgerDeployer.ZeroAddress.selector);
        new LedgerDeployer(config);
        config = _config();
        config.quorum = 2;
        vm.expectRevert(abi.encodeWithSelector(TrustRoot.BadQuorum.selector, 2, 1));
        new LedgerDeployer(config);
    }

    function test_LedgerHoldsNoEther() public {
        (bool done,) = address(ledger).call{value: 1}("");
        vm.assertFalse(done);
        (done,) = address(ledger).call{value: 1}(abi.encodeCall(ledger.settle, ("")));
        vm.assertFalse(done);
    }

    function test_DeploysWithoutGovernance() public {
        address[] memory verifiers = new address[](1);
        verifiers[0] = NEW;
        vm.assertEq(new Ledger(address(manager), 0, verifiers, 1).INTERVAL(), 0);
    }
}
