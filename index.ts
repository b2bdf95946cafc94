import * as pulumi from "@pulumi/pulumi";

import { createContext } from "./stacks/context";
import { scenarios } from "./stacks/registry";

/** The outputs of the stack's scenario. */
export = async () => {
    const name = new pulumi.Config().get("scenario") || pulumi.getStack();
    const load = Object.hasOwn(scenarios, name) ? scenarios[name] : undefined;
    if (!load) {
        const known = Object.keys(scenarios).join(", ");
        throw new pulumi.RunError(
            `there is no scenario "${name}"; name the stack, or set \`scenario\` to, one of ${known}`,
        );
    }
    const { run } = await load();
    return run(await createContext());
};
