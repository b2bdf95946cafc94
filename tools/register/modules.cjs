// Keeps Node from loading what a package requires and nobody uses. It rests on one documented thing: what stands in
// `require.cache` is what `require` returns.
"use strict";
const Module = require("node:module");

/** Makes `require` of a file return these exports. */
function provide(file, exports) {
    const module = new Module(file);
    Object.assign(module, { filename: file, loaded: true, exports });
    require.cache[file] = module;
}

/**
 * Makes `require` of a file return a stand-in for its exports, which loads the module as soon as anything of it is
 * used. Not for a module that is a function itself: a stand-in cannot be called.
 */
function loadLate(file) {
    if (require.cache[file]) return;
    let exports;
    const load = () => {
        if (!exports) {
            if (require.cache[file]?.exports === standIn) delete require.cache[file];
            exports = require(file);
        }
        return exports;
    };
    const standIn = new Proxy(
        {},
        {
            get: (_, key) => {
                // Compiled TypeScript asks for this as it imports, and copies every property of what has it not.
                if (key === "__esModule") return true;
                const real = load();
                return key === "default" && !real.__esModule ? real : real[key];
            },
            set: (_, key, value) => Reflect.set(load(), key, value),
            has: (_, key) => Reflect.has(load(), key),
            ownKeys: () => Reflect.ownKeys(load()),
            getOwnPropertyDescriptor: (_, key) => {
                const descriptor = Reflect.getOwnPropertyDescriptor(load(), key);
                // A proxy may show a property as fixed only if its target has it.
                return descriptor && { ...descriptor, configurable: true };
            },
        },
    );
    provide(file, standIn);
}

module.exports = { loadLate, provide };
