// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC5267} from "@openzeppelin/contracts/interfaces/IERC5267.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {Fixture} from "./utils/Fixture.sol";

contract RegisterTest is Fixture {
    uint64 private deadline;
    uint16 private lastDay;
    address private key;

    function setUp() public override {
        super.setUp();
        (deadline, lastDay, key) = (uint64(block.timestamp + 60), _today() + 30, vm.addr(KEY));
    }

    function _digest() private view returns (bytes32) {
        return ledger.registrationDigest(NODE, key, OPERATOR, POLICY, lastDay, deadline);
    }

    function _call(bytes memory votes) private {
        ledger.register(NODE, key, OPERATOR, POLICY, lastDay, deadline, votes);
    }

    function test_Registers() public {
        vm.expectEmit(true, true, true, true, address(ledger));
        emit ILedger.Registered(NODE, key, OPERATOR, POLICY, lastDay);
        vm.prank(STRANGER);
        _call(_votes(_digest(), QUORUM));

        ILedger.Node memory node = ledger.nodeOf(NODE);
        vm.assertEq(node.key, key);
        vm.assertEq(node.operator, OPERATOR);
        vm.assertEq(node.policy, POLICY);
        vm.assertEq(node.lastDay, lastDay);
        vm.assertEq(node.size + node.settledAt, 0);
        vm.assertEq(node.root, sha256(""));
        _assertStatus(ILedger.Status.Active);
    }

    function test_AllVerifiersMayVote() public {
        _call(_votes(_digest(), 9));
        _assertStatus(ILedger.Status.Active);
    }

    function test_FewerThanTheQuorum() public {
        bytes memory votes = _votes(_digest(), QUORUM - 1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NoQuorum.selector, votes.length));
        _call(votes);
        vm.expectRevert(abi.encodeWithSelector(ILedger.NoQuorum.selector, 0));
        _call("");
    }

    function test_VotesOfWrongLength() public {
        bytes memory votes = bytes.concat(_votes(_digest(), QUORUM), hex"00");
        vm.expectRevert(abi.encodeWithSelector(ILedger.NoQuorum.selector, votes.length));
        _call(votes);
    }

    function _expectBadVote(uint256 position) private {
        vm.expectRevert(abi.encodeWithSelector(ILedger.BadVote.selector, position));
    }

    function test_OneVerifierCountsOnce() public {
        bytes memory one = _signature(verifierKeys[0], _digest());
        _expectBadVote(1);
        _call(bytes.concat(one, one, one, one, one));
    }

    function test_VotesOutOfOrder() public {
        bytes32 digest = _digest();
        bytes memory swapped = bytes.concat(_signature(verifierKeys[5], digest), _votes(digest, 4));
        _expectBadVote(1);
        _call(swapped);
    }

    function test_VoteOfAStranger() public {
        bytes32 digest = _digest();
        bytes memory votes = bytes.concat(_votes(digest, 5), _signature(KEY, digest));
        _expectBadVote(5);
        _call(votes);
    }

    function test_VoteOfARemovedVerifier() public {
        address removed = vm.addr(verifierKeys[2]);
        vm.prank(GUARDIAN);
        ledger.removeVerifier(removed);
        bytes memory votes = _votes(_digest(), QUORUM);
        _expectBadVote(2);
        _call(votes);
    }

    function test_VoteWithHighS() public {
        bytes32 digest = _digest();
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(verifierKeys[4], digest);
        bytes memory high = abi.encodePacked(r, bytes32(ORDER - uint256(s)), v ^ 7);
        bytes memory votes = bytes.concat(_votes(digest, 4), high);
        _expectBadVote(4);
        _call(votes);
    }

    function test_EmptyVotes() public {
        _expectBadVote(0);
        _call(new bytes(65 * QUORUM));
    }

    /// @dev Votes for one registration are good for no other.
    function test_VotesForAnotherRegistration() public {
        bytes memory votes = _votes(_digest(), QUORUM);
        vm.expectRevert();
        ledger.register(keccak256("other"), key, OPERATOR, POLICY, lastDay, deadline, votes);
        vm.expectRevert();
        ledger.register(NODE, STRANGER, OPERATOR, POLICY, lastDay, deadline, votes);
        vm.expectRevert();
        ledger.register(NODE, key, STRANGER, POLICY, lastDay, deadline, votes);
        vm.expectRevert();
        ledger.register(NODE, key, OPERATOR, POLICY, lastDay - 1, deadline, votes);
        vm.expectRevert();
        ledger.register(NODE, key, OPERATOR, POLICY, lastDay, deadline + 1, votes);
        vm.chainId(77);
        vm.expectRevert();
        _call(votes);
    }

    function test_RegisteredOnce() public {
        bytes memory votes = _votes(_digest(), QUORUM);
        _call(votes);
        vm.expectRevert(abi.encodeWithSelector(ILedger.RegisteredNode.selector, NODE));
        _call(votes);
        vm.prank(OPERATOR);
        ledger.revokeNode(NODE);
        vm.expectRevert(abi.encodeWithSelector(ILedger.RegisteredNode.selector, NODE));
        _call(votes);
    }

    function test_Deadline() public {
        bytes memory votes = _votes(_digest(), QUORUM);
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(ILedger.DeadlinePassed.selector, deadline));
        _call(votes);
        vm.warp(deadline);
        _call(votes);
    }

    function test_Policy() public {
        bytes32 digest = ledger.registrationDigest(NODE, key, OPERATOR, 2, lastDay, deadline);
        bytes memory votes = _votes(digest, QUORUM);
        vm.expectRevert(abi.encodeWithSelector(ILedger.UnknownPolicy.selector, 2));
        ledger.register(NODE, key, OPERATOR, 2, lastDay, deadline, votes);
        vm.expectRevert(abi.encodeWithSelector(ILedger.UnknownPolicy.selector, 0));
        ledger.register(NODE, key, OPERATOR, 0, lastDay, deadline, votes);
        vm.prank(GUARDIAN);
        ledger.revokePolicy(POLICY);
        vm.expectRevert(abi.encodeWithSelector(ILedger.RevokedPolicy.selector, POLICY));
        _call(votes);
    }

    function test_ZeroAddresses() public {
        vm.expectRevert(ILedger.ZeroAddress.selector);
        ledger.register(NODE, address(0), OPERATOR, POLICY, lastDay, deadline, "");
        vm.expectRevert(ILedger.ZeroAddress.selector);
        ledger.register(NODE, key, address(0), POLICY, lastDay, deadline, "");
    }

    /// @dev 31 days ahead at most, and not if settling would be over.
    function test_LastDay() public {
        uint16 today = _today();
        _expectLastDay(today + 32, false);
        _expectLastDay(today + 31, true);
        _expectLastDay(today, true);
        _expectLastDay(today - 7, true);
        _expectLastDay(today - 8, false);
        _expectLastDay(0, false);
        _expectLastDay(type(uint16).max, false);

        deadline = type(uint64).max;
        vm.warp(_settlingEnds(today + 2));
        _expectLastDay(today + 2, false);
        vm.warp(_settlingEnds(today + 3) - 1);
        _expectLastDay(today + 3, true);
    }

    function _expectLastDay(uint16 day, bool taken) private {
        bytes32 node = keccak256(abi.encode(day));
        (bool done, bytes memory reason) = address(this).call(abi.encodeCall(this.registerUntil, (node, day)));
        vm.assertEq(done, taken);
        vm.assertEq(ledger.nodeOf(node).key, taken ? key : address(0));
        if (!taken) vm.assertEq(reason, abi.encodeWithSelector(ILedger.BadLastDay.selector, day));
    }

    function registerUntil(bytes32 node, uint16 day) external {
        bytes memory votes = _votes(ledger.registrationDigest(node, key, OPERATOR, POLICY, day, deadline), QUORUM);
        ledger.register(node, key, OPERATOR, POLICY, day, deadline, votes);
    }

    function test_DigestIsEip712() public view {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Quoth Ledger"),
                keccak256("1"),
                block.chainid,
                address(ledger)
            )
        );
        bytes32 message = keccak256(
            abi.encode(
                keccak256(
                    "Registration(bytes32 node,address key,address operator,uint32 policy,uint16 lastDay,uint64 deadline)"
                ),
                NODE,
                key,
                OPERATOR,
                POLICY,
                lastDay,
                deadline
            )
        );
        vm.assertEq(_digest(), keccak256(abi.encodePacked(hex"1901", domain, message)));
        vm.assertEq(_digest(), vm.eip712HashTypedData(_typedData()));
    }

    /// @dev The same as JSON, for the tool's own encoder.
    function _typedData() private view returns (string memory) {
        string memory types = string.concat(
            '{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},',
            '{"name":"chainId","type":"uint256"},{"name":"verifyingContract","type":"address"}],',
            '"Registration":[{"name":"node","type":"bytes32"},{"name":"key","type":"address"},',
            '{"name":"operator","type":"address"},{"name":"policy","type":"uint32"},',
            '{"name":"lastDay","type":"uint16"},{"name":"deadline","type":"uint64"}]},'
        );
        string memory domain = string.concat(
            '"primaryType":"Registration","domain":{"name":"Quoth Ledger","version":"1","chainId":',
            vm.toString(block.chainid),
            ',"verifyingContract":"',
            vm.toString(address(ledger)),
            '"},'
        );
        string memory message = string.concat(
            '"message":{"node":"',
            vm.toString(NODE),
            '","key":"',
            vm.toString(key),
            '","operator":"',
            vm.toString(OPERATOR),
            '","policy":1,"lastDay":',
            vm.toString(uint256(lastDay)),
            ',"deadline":',
            vm.toString(uint256(deadline)),
            "}}"
        );
        return string.concat(types, domain, message);
    }

    function test_DomainIsPublic() public view {
        (, string memory name, string memory version, uint256 chain, address verifying,,) =
            IERC5267(address(ledger)).eip712Domain();
        vm.assertEq(name, "Quoth Ledger");
        vm.assertEq(version, "1");
        vm.assertEq(chain, block.chainid);
        vm.assertEq(verifying, address(ledger));
    }
}
