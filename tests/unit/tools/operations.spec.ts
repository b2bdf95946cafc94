import assert from "node:assert/strict";

import { errorsIn, withPendingCreates } from "../../../tools/stack/operations";

/** The log of an operation, one event a line, as the CLI writes it with --event-log. */
const log = (...events: object[]) => events.map((event) => `${JSON.stringify(event)}\n`).join("");
const diagnostic = (severity: string, message: string) => ({ sequence: 1, diagnosticEvent: { severity, message } });
const error = (message: string) => diagnostic("error", message);

describe("errors of an operation", () => {
    it("are those of its event log, without color codes, each in one line and once", () => {
        const text = log(
            { preludeEvent: { config: {} } },
            diagnostic("info", "just so you know"),
            diagnostic("warning", "be careful"),
            error('<{%fg 1%}>error: <{%reset%}>Service "web" is invalid:\n  spec.ports: Required value\n<{%reset%}>'),
            error('error: Service "web" is invalid: spec.ports: Required value'),
            error('<{%fg 1%}>replicas: got "0", allowed is 1 to 100<{%reset%}>\n'),
            { summaryEvent: {} },
        );
        assert.deepEqual(errorsIn(text), [
            'Service "web" is invalid: spec.ports: Required value',
            'replicas: got "0", allowed is 1 to 100',
        ]);
    });

    it("are not that the operation failed", () => {
        const text = log(error("update failed"), error("preview failed"), error("resource web failed"), error("\n"));
        assert.deepEqual(errorsIn(text), []);
    });

    it("are those before a line that the CLI was killed at", () => {
        assert.deepEqual(errorsIn(`${log(error("out of reach"))}\n{"diagnosticEvent":{"sev`), ["out of reach"]);
    });

    it("are none where nothing was written", () => {
        assert.deepEqual(errorsIn(""), []);
    });
});

describe("the state that a killed run left", () => {
    const object = (name: string, namespace?: string) => ({
        urn: `urn:${name}`,
        type: "kubernetes:apps/v1:Deployment",
        inputs: { metadata: { name, namespace } },
    });

    it("takes what may have been created for created, under the name it was to have", () => {
        const known = { ...object("old", "shop"), id: "shop/old" };
        const pending = [
            { type: "creating", resource: object("web-1a2b", "shop") },
            { type: "creating", resource: object("shop") },
            { type: "updating", resource: known },
            { type: "creating", resource: { urn: "urn:other", type: "random:index:Thing" } },
        ];
        const { deployment } = withPendingCreates({ deployment: { resources: [known], pending_operations: pending } });
        assert.deepEqual(
            deployment!.resources!.map(({ id }) => id),
            ["shop/old", "shop/web-1a2b", "shop"],
        );
        assert.deepEqual(deployment!.pending_operations, []);
    });
});
