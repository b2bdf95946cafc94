import assert from "node:assert/strict";
import { join } from "node:path";

import { checkout } from "../../tools/lib/paths";
import { scenarios } from "../../tools/stack/workspace";
import { Scenario } from "../support/scenario";
import pack from "./package.json";

describe("policy pack on the real preview of", function () {
    this.timeout(120_000);

    for (const scenario of scenarios()) {
        it(scenario, async () => {
            const output = await Scenario.preview(scenario, { policyPacks: [join(checkout, "tests/policy")] });
            // The CLI names the packs that it ran; a pack that was not loaded would find no fault either.
            assert.ok(output.includes(`✅ distributed-patterns@v${pack.version}`), output);
            assert.match(output, /\d+ to create/);
        });
    }
});
