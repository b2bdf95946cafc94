/** Called in a `before` hook: skips every test of its suite and of those within, with the reason in each name. */
export function skipAll(hook: Mocha.Context, reason: string): never {
    hook.test!.parent!.eachTest((test) => (test.title += ` (${reason})`));
    return hook.skip();
}
