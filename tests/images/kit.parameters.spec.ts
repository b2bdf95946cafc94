import assert from "node:assert/strict";

import * as kit from "../../images/kit";

const declaration = kit.defineImage({
    name: "example",
    version: "1.0.0",
    summary: "An example.",
    ports: { http: { host: "HOST", port: "PORT", meaning: "HTTP." } },
    parameters: {
        ...kit.listenParameters({ host: "127.0.0.1", port: 8080 }),
        COUNT: kit.integer({ default: -3, meaning: "m" }),
        PERIOD: kit.duration({ default: "2s", min: "250ms", max: "2m", meaning: "m" }),
        BUFFER: kit.size({ default: "64Mi", max: "1Gi", meaning: "m" }),
        MODE: kit.enumeration({ values: ["fast", "safe"], default: "safe", meaning: "m" }),
        VERBOSE: kit.boolean({ default: false, meaning: "m" }),
        FOLDER: kit.path({ meaning: "m" }),
        NAMES: kit.list({
            default: ["a", "b"],
            rule: { allowed: "a small letter", accepts: (t) => /^[a-z]$/.test(t) },
            meaning: "m",
        }),
        NOTE: kit.string({ default: "", meaning: "m" }),
    },
});

const defaults = { FOLDER: "/data" };

describe("kit parameters", () => {
    it("gives every parameter its default, parsed to its unit", () => {
        const config: kit.ConfigOf<typeof declaration> = kit.parseConfig(declaration, defaults);
        assert.deepEqual(config, {
            HOST: "127.0.0.1",
            PORT: 8080,
            COUNT: -3,
            PERIOD: 2000,
            BUFFER: 64 * 1024 * 1024,
            MODE: "safe",
            VERBOSE: false,
            FOLDER: "/data",
            NAMES: ["a", "b"],
            NOTE: "",
            LOG_LEVEL: "info",
            DRAIN_DELAY: 5000,
            DRAIN_TIMEOUT: 20_000,
        });
        // Compiles only when the config has the declaration's types.
        const mode: "fast" | "safe" = config.MODE;
        const names: readonly string[] = config.NAMES;
        const port: number = config.PORT;
        assert.ok(mode && names && port);
    });

    for (const [variable, text, value] of [
        ["PERIOD", "250ms", 250],
        ["PERIOD", "1.5s", 1500],
        ["PERIOD", "2m", 120_000],
        ["DRAIN_DELAY", "1h", 3_600_000],
        ["BUFFER", "512k", 512_000],
        ["BUFFER", "1Gi", 2 ** 30],
        ["BUFFER", "100B", 100],
        ["VERBOSE", "true", true],
        ["NAMES", " x, y ,", ["x", "y"]],
        ["PORT", "", 8080],
        ["HOST", "::1", "::1"],
    ] as const) {
        it(`reads ${variable}=${JSON.stringify(text)}`, () => {
            assert.deepEqual(kit.parseConfig(declaration, { ...defaults, [variable]: text })[variable], value);
        });
    }

    for (const [variable, text, allowed] of [
        ["PORT", "0", "a whole number from 1 to 65535"],
        ["PORT", "65536", "a whole number from 1 to 65535"],
        ["PORT", "80a", "a whole number from 1 to 65535"],
        ["PORT", "8e1", "a whole number from 1 to 65535"],
        ["COUNT", "9007199254740993", "a whole number"],
        ["PERIOD", "5", "a duration with its unit (ms, s, m, h or d) from 250ms to 2m"],
        ["PERIOD", "5 s", "a duration with its unit (ms, s, m, h or d) from 250ms to 2m"],
        ["PERIOD", "249ms", "a duration with its unit (ms, s, m, h or d) from 250ms to 2m"],
        ["PERIOD", "3m", "a duration with its unit (ms, s, m, h or d) from 250ms to 2m"],
        ["DRAIN_DELAY", "2h", "a duration with its unit (ms, s, m, h or d) of at most 1h"],
        ["BUFFER", "1024", "a size with its unit (B, k, M, G, T, Ki, Mi, Gi or Ti) of at most 1Gi"],
        ["BUFFER", "2Gi", "a size with its unit (B, k, M, G, T, Ki, Mi, Gi or Ti) of at most 1Gi"],
        ["MODE", "Fast", "one of fast, safe"],
        ["VERBOSE", "yes", "true or false"],
        ["FOLDER", "data", "an absolute path"],
        ["NAMES", "a,Bc", "a comma-separated list, each item a small letter"],
        ["HOST", "example", "an IP address or localhost"],
    ] as const) {
        it(`refuses ${variable}=${JSON.stringify(text)}, naming it`, () => {
            const message = `${variable} is ${JSON.stringify(text)}; give ${allowed}`;
            assert.throws(() => kit.parseConfig(declaration, { ...defaults, [variable]: text }), {
                name: "ConfigurationError",
                problems: [message],
            });
        });
    }

    it("names every problem at once", () => {
        assert.throws(
            () => kit.parseConfig(declaration, { PORT: "x", PERIOD: "5" }),
            (error: kit.ConfigurationError) => {
                assert.deepEqual(
                    error.problems.map((problem) => problem.split(" ")[0]),
                    ["PORT", "PERIOD", "FOLDER"],
                );
                assert.equal(error.problems[2], "FOLDER is not set; give an absolute path");
                return true;
            },
        );
    });

    it("refuses a declaration whose default or bound is not one of its own values", () => {
        assert.throws(() => kit.duration({ default: "5", meaning: "m" }), /declares "5", which it does not allow/);
        assert.throws(() => kit.integer({ default: 0, min: 1, meaning: "m" }), /declares 0/);
        assert.throws(() => kit.size({ default: "1Mi", max: "1", meaning: "m" }), /declares "1"/);
    });
});
