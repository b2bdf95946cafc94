/** Called in a `before` hook: skips every test of its suite, with the reason in each name. */
export function skipAll(hook: Mocha.Context, reason: string): never {
    for (const test of hook.test!.parent!.tests) test.title += ` (${reason})`;
    return hook.skip();
}
