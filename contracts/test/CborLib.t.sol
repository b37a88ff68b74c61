// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {CborLib} from "../src/CborLib.sol";
import {Encoder} from "./utils/Encoder.sol";
import {Test} from "./utils/Test.sol";

/// @dev Reads one item and demands that nothing follows.
contract CborHarness {
    using CborLib for CborLib.Reader;

    function unsigned(bytes memory data) external pure returns (uint64 value) {
        CborLib.Reader memory r = CborLib.reader(data);
        value = r.unsigned();
        r.done();
    }

    function bounded(bytes memory data, uint16 least, uint16 most) external pure returns (uint16 value) {
        CborLib.Reader memory r = CborLib.reader(data);
        value = r.bounded(least, most);
        r.done();
    }

    function text(bytes memory data, uint256 most) external pure returns (string memory value) {
        CborLib.Reader memory r = CborLib.reader(data);
        value = r.text(most);
        r.done();
    }

    function blob(bytes memory data, uint256 least, uint256 most) external pure returns (bytes memory value) {
        CborLib.Reader memory r = CborLib.reader(data);
        value = r.blob(least, most);
        r.done();
    }

    function name(bytes memory data) external pure returns (bytes32 value) {
        CborLib.Reader memory r = CborLib.reader(data);
        value = r.name();
        r.done();
    }

    function boolean(bytes memory data) external pure returns (bool value) {
        CborLib.Reader memory r = CborLib.reader(data);
        value = r.boolean();
        r.done();
    }

    function take(bytes memory data, uint256 encoded, uint256 width) external pure returns (bool) {
        CborLib.Reader memory r = CborLib.reader(data);
        return r.take(encoded, width);
    }
}

contract CborLibTest is Test {
    CborHarness private cbor = new CborHarness();

    function _malformed(uint256 offset) private {
        vm.expectRevert(abi.encodeWithSelector(CborLib.Malformed.selector, offset));
    }

    function testFuzz_Unsigned(uint64 value) public {
        bytes memory data = Encoder.number(value);
        vm.assertEq(cbor.unsigned(data), value);
        _malformed(data.length);
        cbor.unsigned(bytes.concat(data, hex"00"));
        data[0] = data[0] | 0x20;
        _malformed(0);
        cbor.unsigned(data);
    }

    /// @dev One value below each width's least value, and what follows the widths.
    function test_ShortestForms() public {
        bytes[11] memory wrong = [
            bytes(hex"1817"),
            hex"1900ff",
            hex"1a0000ffff",
            hex"1b00000000ffffffff",
            hex"1c",
            hex"1d",
            hex"1e",
            hex"1f",
            hex"18",
            hex"1901",
            hex"1b00000001000000"
        ];
        for (uint256 i; i < wrong.length; ++i) {
            _malformed(0);
            cbor.unsigned(wrong[i]);
        }
        _malformed(0);
        cbor.unsigned("");
        vm.assertEq(cbor.unsigned(hex"1818"), 24);
        vm.assertEq(cbor.unsigned(hex"190100"), 256);
        vm.assertEq(cbor.unsigned(hex"1a00010000"), 65_536);
        vm.assertEq(cbor.unsigned(hex"1b0000000100000000"), 1 << 32);
    }

    function test_Bounds() public {
        vm.assertEq(cbor.bounded(hex"1864", 100, 999), 100);
        vm.assertEq(cbor.bounded(hex"1903e7", 100, 999), 999);
        _malformed(2);
        cbor.bounded(hex"1863", 100, 999);
        _malformed(3);
        cbor.bounded(hex"1903e8", 100, 999);
        _malformed(5);
        cbor.bounded(hex"1a00010000", 0, 65_535);
    }

    function testFuzz_Blob(bytes memory value) public {
        bytes memory data = Encoder.blob(value);
        vm.assertEq(cbor.blob(data, value.length, value.length), value);
        vm.expectRevert();
        cbor.blob(data, value.length + 1, type(uint256).max);
        if (value.length == 0) return;
        vm.expectRevert();
        cbor.blob(data, 0, value.length - 1);
    }

    function test_LengthBeyondTheEnd() public {
        _malformed(1);
        cbor.blob(hex"4200", 0, 100);
        _malformed(9);
        cbor.blob(hex"5bffffffffffffffff", 0, type(uint256).max);
    }

    function test_Texts() public {
        vm.assertEq(cbor.text(Encoder.text(unicode"Grüße"), 7), unicode"Grüße");
        _malformed(1);
        cbor.text(Encoder.text(unicode"Grüße"), 6);
        _malformed(1);
        cbor.text(hex"60", 10);
        _malformed(2);
        cbor.text(hex"61ff", 10);
        _malformed(0);
        cbor.text(hex"4161", 10);
    }

    function test_Names() public {
        vm.assertEq(cbor.name(Encoder.text("tee")), bytes32("tee"));
        vm.assertEq(cbor.name(Encoder.text("12345678901234567890123456789012")), "12345678901234567890123456789012");
        vm.expectRevert();
        cbor.name(Encoder.text("123456789012345678901234567890123"));
        _malformed(5);
        cbor.name(hex"6474656500");
        vm.expectRevert();
        cbor.name(hex"60");
    }

    function test_Booleans() public {
        vm.assertTrue(cbor.boolean(hex"f5"));
        vm.assertFalse(cbor.boolean(hex"f4"));
        bytes[5] memory wrong = [bytes(hex"f6"), hex"f7", hex"00", hex"f814", hex""];
        for (uint256 i; i < wrong.length; ++i) {
            _malformed(0);
            cbor.boolean(wrong[i]);
        }
    }

    function test_Keys() public view {
        vm.assertTrue(cbor.take(hex"3a0001116f", 0x3a0001116f, 5));
        vm.assertFalse(cbor.take(hex"3a0001116e", 0x3a0001116f, 5));
        vm.assertFalse(cbor.take(hex"3a000111", 0x3a0001116f, 5));
    }
}
