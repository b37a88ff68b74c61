// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {AnswerVerifier} from "../src/AnswerVerifier.sol";
import {CborLib} from "../src/CborLib.sol";
import {Ending, Kind, Level, Outcome, Receipt} from "../src/Receipt.sol";
import {ReceiptLib} from "../src/ReceiptLib.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {IProofVerifier} from "../src/interfaces/IProofVerifier.sol";
import {Encoder} from "./utils/Encoder.sol";
import {Fixture} from "./utils/Fixture.sol";
import {Receipts} from "./utils/Receipts.sol";
import {Tree} from "./utils/Tree.sol";

contract AnswerVerifierTest is Fixture {
    uint64 private constant SEQ = 3;
    uint64 private constant SIZE = 6;
    bytes32 private constant SALT_REQUEST = keccak256("salt of the request");
    bytes32 private constant SALT_RESPONSE = keccak256("salt of the response");
    bytes32 private constant INPUT = keccak256("hash of the request");
    bytes32 private constant OUTPUT = keccak256("hash of the response");

    AnswerVerifier private verifier;
    bytes private metadata;

    function setUp() public override {
        super.setUp();
        verifier = new AnswerVerifier(ledger);
        metadata = abi.encode(POLICY, Receipts.MODEL);
        _register();
    }

    function _local() private pure returns (Receipt memory r) {
        r = Receipts.local(NODE, SEQ);
        _commit(r);
    }

    function _upstream() private pure returns (Receipt memory r) {
        r = Receipts.upstream(NODE, SEQ);
        _commit(r);
    }

    function _commit(Receipt memory r) private pure {
        r.exchange.request = ReceiptLib.open(ReceiptLib.REQUEST, SALT_REQUEST, INPUT);
        r.exchange.response = ReceiptLib.open(ReceiptLib.RESPONSE, SALT_RESPONSE, OUTPUT);
    }

    /// @dev Settles a log whose entry `SEQ` is the receipt, and returns the proof.
    function _prove(Receipt memory r) private returns (bytes memory) {
        return _prove(Encoder.receipt(r), r.node, r.seq);
    }

    function _prove(bytes memory payload, bytes32 node, uint256 seq) private returns (bytes memory) {
        bytes32[] memory entries = Tree.entries(0, SIZE);
        entries[SEQ] = sha256(payload);
        _settle(_head(SIZE, Tree.root(entries)));
        return abi.encode(node, seq, payload, SALT_REQUEST, SALT_RESPONSE, Tree.path(entries, SEQ, SIZE));
    }

    function _verify(bytes memory proof) private view returns (bool) {
        return verifier.verify(INPUT, OUTPUT, metadata, proof);
    }

    /// @dev `verify` says no, and `check` says why.
    function _refuses(bytes memory proof, bytes memory reason) private {
        vm.assertFalse(_verify(proof));
        vm.expectRevert(reason);
        verifier.check(INPUT, OUTPUT, metadata, proof);
    }

    function test_LocalAnswer() public {
        bytes memory proof = _prove(_local());
        vm.assertTrue(_verify(proof));
        vm.assertTrue(_verify(proof), "it spends nothing");
        verifier.check(INPUT, OUTPUT, metadata, proof);
    }

    function test_WholeStream() public {
        Receipt memory r = _local();
        r.exchange.streamed = true;
        r.exchange.ending = Ending.Terminal;
        vm.assertTrue(_verify(_prove(r)));
    }

    function test_UpstreamAnswer() public {
        bytes32 source = verifier.upstreamSource("api.openai.com", "gpt-4o");
        metadata = abi.encode(POLICY, source);
        vm.assertTrue(_verify(_prove(_upstream())));
    }

    function test_OtherUpstream() public {
        metadata = abi.encode(POLICY, verifier.upstreamSource("api.openai.com", "gpt-4o-mini"));
        bytes32 source = verifier.upstreamSource("api.openai.com", "gpt-4o");
        _refuses(_prove(_upstream()), abi.encodeWithSelector(AnswerVerifier.WrongSource.selector, source));
    }

    function test_OtherModel() public {
        Receipt memory r = _local();
        r.local.modelDigest = keccak256("other");
        _refuses(_prove(r), abi.encodeWithSelector(AnswerVerifier.WrongSource.selector, keccak256("other")));
    }

    function test_NothingExecuted() public {
        Receipt memory r = _local();
        r.kind = Kind.None;
        _refuses(_prove(r), abi.encodeWithSelector(AnswerVerifier.WrongSource.selector, 0));
    }

    function test_OtherInput() public {
        bytes memory proof = _prove(_local());
        vm.assertFalse(verifier.verify(OUTPUT, OUTPUT, metadata, proof));
        vm.expectRevert(AnswerVerifier.WrongRequest.selector);
        verifier.check(OUTPUT, OUTPUT, metadata, proof);
    }

    function test_OtherOutput() public {
        bytes memory proof = _prove(_local());
        vm.assertFalse(verifier.verify(INPUT, INPUT, metadata, proof));
        vm.expectRevert(AnswerVerifier.WrongResponse.selector);
        verifier.check(INPUT, INPUT, metadata, proof);
    }

    function test_OtherPolicy() public {
        metadata = abi.encode(uint32(2), Receipts.MODEL);
        _refuses(_prove(_local()), abi.encodeWithSelector(AnswerVerifier.WrongPolicy.selector, POLICY));
    }

    function test_OtherPlace() public {
        bytes memory payload = Encoder.receipt(_local());
        bytes memory reason = abi.encodeWithSelector(AnswerVerifier.WrongPlace.selector, NODE, SEQ);
        _refuses(_prove(payload, NODE, SEQ + 1), reason);
        _refuses(_prove(payload, keccak256("other"), SEQ), reason);
    }

    /// @dev The payload says the place that is asked for, but the log has it elsewhere.
    function test_NotInTheLog() public {
        Receipt memory r = _local();
        r.seq = SEQ + 1;
        _refuses(_prove(r), abi.encodeWithSelector(ILedger.NotIncluded.selector, NODE, SEQ + 1));
    }

    function test_NoAnswers() public {
        bytes memory reason = abi.encodeWithSelector(AnswerVerifier.NoAnswer.selector);
        Receipt memory r = _local();
        r.level = Level.Vanilla;
        _refuses(_prove(r), reason);
        r = _local();
        r.exchange.status = 429;
        _refuses(_prove(r), reason);
        r = _local();
        r.exchange.outcome = Outcome.Length;
        _refuses(_prove(r), reason);
        r = _local();
        r.exchange.streamed = true;
        _refuses(_prove(r), reason);
    }

    function test_MalformedPayload() public {
        _refuses(_prove(hex"a0", NODE, SEQ), abi.encodeWithSelector(CborLib.Malformed.selector, 1));
    }

    function test_RevokedNode() public {
        bytes memory proof = _prove(_local());
        vm.prank(OPERATOR);
        ledger.revokeNode(NODE);
        _refuses(proof, abi.encodeWithSelector(ILedger.RevokedNode.selector, NODE));
    }

    function test_BytesThatCannotBeDecoded() public {
        bytes memory proof = _prove(_local());
        vm.expectRevert(AnswerVerifier.Undecided.selector);
        verifier.verify(INPUT, OUTPUT, metadata, hex"00");
        vm.expectRevert(AnswerVerifier.Undecided.selector);
        verifier.verify(INPUT, OUTPUT, hex"00", proof);
        vm.expectRevert(AnswerVerifier.Undecided.selector);
        verifier.verify(INPUT, OUTPUT, abi.encode(uint256(1) << 32, Receipts.MODEL), proof);
    }

    /// @dev However little gas a caller sends, a good proof never gives false.
    function test_LittleGas() public {
        bytes memory call = abi.encodeCall(verifier.verify, (INPUT, OUTPUT, metadata, _prove(_local())));
        uint256 decided;
        for (uint256 gas_ = 5_000; gas_ < 200_000; gas_ += 500) {
            (bool done, bytes memory result) = address(verifier).staticcall{gas: gas_}(call);
            if (!done) continue;
            vm.assertTrue(abi.decode(result, (bool)));
            ++decided;
        }
        vm.assertTrue(decided > 0);
    }

    function test_Profile() public {
        vm.assertEq(verifier.proofSystem(), "tee/quoth");
        bytes32 salt = keccak256(abi.encode(block.chainid, address(ledger)));
        vm.assertEq(verifier.proofProfile(), keccak256(abi.encodePacked("tee/quoth", salt)));
        bytes32 other = new AnswerVerifier(ILedger(address(1))).proofProfile();
        vm.assertNotEq(other, verifier.proofProfile());
    }

    function test_Interfaces() public view {
        vm.assertTrue(verifier.supportsInterface(type(IProofVerifier).interfaceId));
        vm.assertTrue(verifier.supportsInterface(type(IERC165).interfaceId));
        vm.assertFalse(verifier.supportsInterface(0xffffffff));
    }
}
