import assert from "node:assert/strict";

import * as pulumi from "@pulumi/pulumi";

import * as validate from "../../components/core/validate";
import { recordResources, unknown, valueOf } from "../support/mocks";

const digest = `sha256:${"0".repeat(64)}`;

type Check = (given: string) => unknown;

/** Each check with texts it accepts and texts it refuses. */
const checks: Record<string, { check: Check; accepts: string[]; refuses: string[] }> = {
    requireImage: {
        check: (given) => validate.requireImage("c", "a", given),
        accepts: [`127.0.0.1:5001/patterns/topz@${digest}`, "docker.io/library/nginx:1.26.3", `nginx:1.26@${digest}`],
        refuses: ["", "nginx", "nginx:latest", "localhost:5001/nginx", "nginx@sha256:12", "nginx :1", `a@b@${digest}`],
    },
    requireDnsLabel: {
        check: (given) => validate.requireDnsLabel("c", "a", given),
        accepts: ["a", "a-1", "x".repeat(63)],
        refuses: ["", "-a", "a-", "A", "a.b", "x".repeat(64)],
    },
    requireHostName: {
        check: (given) => validate.requireHostName("c", "a", given),
        accepts: ["shop", "shop.example.com", "*.example.com"],
        refuses: ["", "*", "a..b", "a.*.b", "http://a", `${"a.".repeat(127)}`],
    },
    requireDuration: {
        check: (given) => validate.requireDuration("c", "a", given, "1s", "1h"),
        accepts: ["1s", "1000ms", "1.5m", "1h"],
        refuses: ["", "1", "999ms", "61m", "-1s", "1 s", "1w"],
    },
    requireQuantity: {
        check: (given) => validate.requireQuantity("c", "a", given, "64Mi"),
        accepts: ["1", "0.5", "250m", "64Mi", "1G"],
        refuses: ["", "0", "-1", "64MiB", "1e3"],
    },
    requireSize: {
        check: (given) => validate.requireSize("c", "a", given),
        accepts: ["1k", "10Mi", "1.5G"],
        refuses: ["", "10", "250m", "0Mi", "10MB"],
    },
    requireAddressRange: {
        check: (given) => validate.requireAddressRange("c", "a", given),
        accepts: ["10.0.0.1", "10.0.0.0/8", "fd00::/8", "::1"],
        refuses: ["", "10.0.0.0/33", "10.0.0/8", "10.0.0.0/", "10.0.0.0/8/8", "::1/129", "proxy"],
    },
    requirePath: {
        check: (given) => validate.requirePath("c", "a", given),
        accepts: ["/", "/readyz", "/a/b-c_d.e~f"],
        refuses: ["", "readyz", "/a b", "/a;b", '/a"b', "/a$b"],
    },
    requireOneOf: {
        check: (given) => validate.requireOneOf("c", "a", given, ["on", "off"]),
        accepts: ["on", "off"],
        refuses: ["", "On"],
    },
};

describe("argument checks", () => {
    for (const [name, { check, accepts, refuses }] of Object.entries(checks)) {
        it(`${name} accepts what is allowed and refuses the rest`, () => {
            for (const given of accepts) assert.equal(check(given), given);
            for (const given of refuses) {
                assert.throws(
                    () => check(given),
                    (error: Error) => {
                        assert.ok(error instanceof pulumi.RunError, "a RunError is shown without a stack trace");
                        const start = `c: \`a\` is ${JSON.stringify(given)}; give `;
                        assert.equal(error.message.slice(0, start.length), start);
                        return true;
                    },
                );
            }
        });
    }

    it("requireWholeNumber refuses fractions, texts and what is out of range", () => {
        assert.equal(validate.requireWholeNumber("c", "a", 2, 1, 2), 2);
        for (const given of [0, 3, 1.5, NaN, "2", undefined]) {
            assert.throws(() => validate.requireWholeNumber("c", "a", given, 1, 2), /give a whole number from 1 to 2$/);
        }
    });

    describe("whenKnown", () => {
        const positive = (value: number) => validate.requireWholeNumber("c", "a", value, 1, 9);
        before(() => recordResources({ preview: true }));

        it("checks a plain value at once", () => {
            assert.throws(() => validate.whenKnown(0, positive), /`a` is 0/);
            assert.equal(validate.whenKnown(1, positive), 1);
        });

        it("fails the output that turns out bad", async () => {
            await assert.rejects(valueOf(validate.whenKnown(pulumi.output(0), positive)), /`a` is 0/);
            assert.equal(await valueOf(validate.whenKnown(pulumi.output(1), positive)), 1);
        });

        it("lets an unknown value pass in a preview", async () => {
            assert.equal(await valueOf(validate.whenKnown(unknown<number>(), positive)), undefined);
        });
    });
});
