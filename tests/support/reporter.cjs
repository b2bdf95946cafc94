// Mocha's own "spec" display, and the counts as JSON in the file that DP_COUNTS names, for tests/run.ts.
"use strict";
const { writeFileSync } = require("node:fs");
const { Spec } = require("mocha").reporters;

module.exports = class extends Spec {
    constructor(runner, options) {
        super(runner, options);
        runner.once("end", () => {
            const { passes, failures, pending } = this.stats;
            if (process.env.DP_COUNTS)
                writeFileSync(
                    process.env.DP_COUNTS,
                    JSON.stringify({ passed: passes, failed: failures, skipped: pending }),
                );
        });
    }
};
