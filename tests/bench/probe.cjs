// Loaded into every Node process below a preview. In the one that runs the program it notes when resources were
// registered, seen at the client of the engine's resource monitor, and what the process cost until its end.
"use strict";
const { writeFileSync } = require("node:fs");
const Module = require("node:module");

if (/@pulumi\/pulumi\/cmd\/run(\/index\.js)?$/.test(process.argv[1] ?? "")) {
    const registered = [];
    const load = Module._load;
    Module._load = function (request, ...rest) {
        const exports = load.call(this, request, ...rest);
        if (!request.endsWith("/resource_grpc_pb")) return exports;
        Module._load = load;
        watch(exports.ResourceMonitorClient.prototype);
        return exports;
    };

    const watch = (client) => {
        const { registerResource } = client;
        client.registerResource = function (request, ...rest) {
            const done = rest.pop();
            const type = request.getType();
            return registerResource.call(this, request, ...rest, (...answer) => {
                if (type !== "pulumi:pulumi:Stack") registered.push({ type, at: performance.now() });
                done(...answer);
            });
        };
    };

    process.on("exit", () => {
        const { user, system } = process.cpuUsage();
        const run = {
            cpu: (user + system) / 1000,
            first: registered.at(0)?.at,
            last: registered.at(-1)?.at,
            types: registered.map(({ type }) => type).sort(),
        };
        writeFileSync(process.env.DP_BENCH_PROBE, JSON.stringify(run));
    });
}
