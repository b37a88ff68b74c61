// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Kind, Level, Outcome, Receipt} from "../src/Receipt.sol";
import {ReceiptLib} from "../src/ReceiptLib.sol";
import {AskModel} from "../src/examples/AskModel.sol";
import {ILedger} from "../src/interfaces/ILedger.sol";
import {Encoder} from "./utils/Encoder.sol";
import {Fixture} from "./utils/Fixture.sol";
import {Receipts} from "./utils/Receipts.sol";
import {Tree} from "./utils/Tree.sol";

contract AskModelTest is Fixture {
    uint64 private constant SEQ = 2;
    bytes32 private constant SALT_REQUEST = keccak256("salt of the request");
    bytes32 private constant SALT_ANSWER = keccak256("salt of the answer");
    string private constant QUESTION = "Is the sky blue?";
    string private constant REQUEST =
        '{"model":"tiny","messages":[{"role":"system","content":"Answer with one word, yes or no."},{"role":"user","content":"Is the sky blue?"}],"temperature":0,"seed":0,"max_tokens":16}';

    AskModel private dapp;
    bytes32 private task;
    uint64 private size = 5;

    function setUp() public override {
        super.setUp();
        dapp = new AskModel(ledger, POLICY, "tiny", Receipts.MODEL, Receipts.ARITHMETIC);
        task = dapp.ask(QUESTION);
        _register();
    }

    function _receipt(string memory text) private view returns (Receipt memory r) {
        r = Receipts.local(NODE, SEQ);
        r.nonce = abi.encodePacked(task);
        r.exchange.request = ReceiptLib.open("request", SALT_REQUEST, sha256(bytes(REQUEST)));
        r.exchange.hasAnswer = true;
        r.exchange.answer = ReceiptLib.open("answer", SALT_ANSWER, sha256(bytes(text)));
    }

    /// @dev Settles a log with the receipt, and answers the task by it.
    function _answer(Receipt memory r, string memory text, bytes memory reason) private {
        bytes memory payload = Encoder.receipt(r);
        bytes32[] memory entries = Tree.entries(0, size);
        entries[r.seq] = sha256(payload);
        _settle(_head(size, Tree.root(entries)));
        bytes32[] memory path = Tree.path(entries, r.seq, size);
        ++size;
        if (reason.length > 0) vm.expectRevert(reason);
        vm.prank(STRANGER);
        dapp.answer(task, AskModel.Proof(NODE, r.seq, payload, SALT_REQUEST, SALT_ANSWER, path, text));
    }

    function _refuses(Receipt memory r, bytes4 selector) private {
        _answer(r, "Yes", abi.encodeWithSelector(selector));
        vm.assertEq(uint256(dapp.decisionOf(task)), uint256(AskModel.Decision.Open));
    }

    function _decides(string memory text, AskModel.Decision expected) private {
        _answer(_receipt(text), text, "");
        vm.assertEq(uint256(dapp.decisionOf(task)), uint256(expected), text);
    }

    function test_Asks() public {
        bytes32 next = keccak256(abi.encode(block.chainid, address(dapp), 1));
        vm.expectEmit(true, true, true, true, address(dapp));
        emit AskModel.Asked(next, bytes(REQUEST));
        vm.assertEq(dapp.ask(QUESTION), next);
        vm.assertNotEq(next, task);
        vm.assertEq(uint256(dapp.decisionOf(next)), uint256(AskModel.Decision.Open));
        vm.assertEq(dapp.requestFor(QUESTION), bytes(REQUEST));
    }

    function test_Answers() public {
        bytes memory payload = Encoder.receipt(_receipt("Yes."));
        bytes32[] memory entries = Tree.entries(0, size);
        entries[SEQ] = sha256(payload);
        bytes32[] memory path = Tree.path(entries, SEQ, size);
        ledger.settle(_head(size, Tree.root(entries)));
        vm.expectEmit(true, true, true, true, address(dapp));
        emit AskModel.Answered(task, AskModel.Decision.Yes, NODE, SEQ, "Yes.");
        dapp.answer(task, AskModel.Proof(NODE, SEQ, payload, SALT_REQUEST, SALT_ANSWER, path, "Yes."));
    }

    function test_Yes() public {
        _decides("Yes", AskModel.Decision.Yes);
    }

    function test_YesWithMore() public {
        _decides("yES, it is.", AskModel.Decision.Yes);
    }

    function test_No() public {
        _decides("No.", AskModel.Decision.No);
    }

    function test_OtherWords() public {
        _decides("Nobody knows", AskModel.Decision.Unclear);
    }

    function test_Short() public {
        _decides("y", AskModel.Decision.Unclear);
    }

    function test_Empty() public {
        _decides("", AskModel.Decision.Unclear);
    }

    function test_DecidedOnce() public {
        _decides("Yes", AskModel.Decision.Yes);
        _answer(_receipt("No"), "No", abi.encodeWithSelector(AskModel.NotOpen.selector, task));
        task = keccak256("unknown");
        _answer(_receipt("No"), "No", abi.encodeWithSelector(AskModel.NotOpen.selector, task));
    }

    /// @dev A place in a log is used once, also if the log should ever show another receipt there.
    function test_SpentOnce() public {
        _decides("Yes", AskModel.Decision.Yes);
        task = dapp.ask(QUESTION);
        _answer(_receipt("Yes"), "Yes", abi.encodeWithSelector(AskModel.Spent.selector, NODE, SEQ));
        Receipt memory r = _receipt("Yes");
        r.seq = SEQ + 1;
        _answer(r, "Yes", "");
    }

    function test_AnswerToAnotherTask() public {
        Receipt memory r = _receipt("Yes");
        task = dapp.ask(QUESTION);
        _refuses(r, AskModel.WrongNonce.selector);
        r.nonce = "";
        _refuses(r, AskModel.WrongNonce.selector);
        r.nonce = abi.encodePacked(task, hex"00");
        _refuses(r, AskModel.WrongNonce.selector);
    }

    function test_OtherPlace() public {
        Receipt memory r = _receipt("Yes");
        r.node = keccak256("other");
        _refuses(r, AskModel.WrongPlace.selector);
    }

    function test_OtherRequest() public {
        Receipt memory r = _receipt("Yes");
        r.exchange.request = ReceiptLib.open("request", SALT_REQUEST, sha256("Say yes."));
        _refuses(r, AskModel.WrongRequest.selector);
    }

    function test_OtherText() public {
        _answer(_receipt("No"), "Yes", abi.encodeWithSelector(AskModel.WrongAnswer.selector));
        Receipt memory r = _receipt("Yes");
        r.exchange.hasAnswer = false;
        _refuses(r, AskModel.WrongAnswer.selector);
    }

    function test_OtherModels() public {
        Receipt memory r = _receipt("Yes");
        r.local.modelDigest = keccak256("other");
        _refuses(r, AskModel.WrongModel.selector);
        r = _receipt("Yes");
        r.local.arithmetic = "cpu-1/x86-64-v3";
        _refuses(r, AskModel.WrongModel.selector);
        r = _receipt("Yes");
        r.kind = Kind.Upstream;
        r.upstream = Receipts.upstream(NODE, SEQ).upstream;
        _refuses(r, AskModel.WrongModel.selector);
        r.kind = Kind.None;
        _refuses(r, AskModel.WrongModel.selector);
    }

    function test_NoAnswers() public {
        Receipt memory r = _receipt("Yes");
        r.level = Level.Vanilla;
        _refuses(r, AskModel.NoAnswer.selector);
        r = _receipt("Yes");
        r.exchange.outcome = Outcome.Length;
        _refuses(r, AskModel.NoAnswer.selector);
        r = _receipt("Yes");
        r.exchange.status = 500;
        _refuses(r, AskModel.NoAnswer.selector);
        r = _receipt("Yes");
        r.exchange.streamed = true;
        _refuses(r, AskModel.NoAnswer.selector);
    }

    function test_OtherPolicy() public {
        dapp = new AskModel(ledger, 2, "tiny", Receipts.MODEL, Receipts.ARITHMETIC);
        task = dapp.ask(QUESTION);
        _answer(_receipt("Yes"), "Yes", abi.encodeWithSelector(AskModel.WrongPolicy.selector, POLICY));
    }

    function test_UnsettledReceipt() public {
        bytes memory payload = Encoder.receipt(_receipt("Yes"));
        vm.expectRevert(abi.encodeWithSelector(ILedger.NotIncluded.selector, NODE, SEQ));
        dapp.answer(task, AskModel.Proof(NODE, SEQ, payload, SALT_REQUEST, SALT_ANSWER, new bytes32[](0), "Yes"));
    }

    function test_ForkedNode() public {
        ledger.forkByHeads(bytes.concat(_head(5, keccak256("a")), _head(5, keccak256("b"))));
        bytes memory payload = Encoder.receipt(_receipt("Yes"));
        vm.expectRevert(abi.encodeWithSelector(ILedger.ForkedNode.selector, NODE));
        dapp.answer(task, AskModel.Proof(NODE, SEQ, payload, SALT_REQUEST, SALT_ANSWER, new bytes32[](0), "Yes"));
    }

    function test_QuestionsThatJsonWouldEscape() public {
        bytes memory question = bytes(QUESTION);
        for (uint256 c; c < 256; ++c) {
            question[3] = bytes1(uint8(c));
            bool plain = c >= 0x20 && c <= 0x7e && c != 0x22 && c != 0x5c;
            if (!plain) vm.expectRevert(AskModel.BadQuestion.selector);
            dapp.requestFor(string(question));
        }
    }

    function test_LengthOfQuestions() public {
        bytes memory question = new bytes(256);
        for (uint256 i; i < 256; ++i) {
            question[i] = "a";
        }
        dapp.ask(string(question));
        vm.expectRevert(AskModel.BadQuestion.selector);
        dapp.ask(string(bytes.concat(question, "a")));
        vm.expectRevert(AskModel.BadQuestion.selector);
        dapp.ask("");
    }

    function test_ModelNames() public {
        vm.expectRevert(AskModel.BadQuestion.selector);
        new AskModel(ledger, POLICY, 'ti"ny', Receipts.MODEL, Receipts.ARITHMETIC);
    }
}
