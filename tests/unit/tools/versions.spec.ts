import assert from "node:assert/strict";

import { isAtLeast } from "../../../tools/toolchain/versions";

describe("version comparison", () => {
    const cases: [string | undefined, string, boolean][] = [
        ["3.200.0", "3.200.0", true],
        ["3.200.1", "3.200.0", true],
        ["3.199.9", "3.200.0", false],
        // By number, not by text.
        ["3.99.0", "3.200.0", false],
        ["1.9", "1.21", false],
        ["10.0.0", "9.9.9", true],
        // Parts that are not given are 0.
        ["3.200", "3.200.0", true],
        ["3", "3.200.0", false],
        ["1.26.8", "1.21", true],
        ["1.21", "1.21", true],
        // What follows the number of a part.
        ["1.27rc1", "1.21", true],
        ["3.201.0-alpha.1", "3.200.0", true],
        ["1.19.8", "1.21", false],
        [undefined, "0.0.1", false],
        ["", "1.0", false],
    ];
    for (const [version, oldest, expected] of cases) {
        it(`${version} is ${expected ? "" : "not "}at least ${oldest}`, () => {
            assert.equal(isAtLeast(version, oldest), expected);
        });
    }
});
