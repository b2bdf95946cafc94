import { ConfigOf, defineJob, path } from "../../kit";

export const declaration = defineJob({
    name: "bootstrap",
    version: "1.0.0",
    summary: "Makes the certificates and passwords that are missing, and renews certificates.",
    parameters: {
        SPEC_FILE: path({
            default: "/etc/bootstrap/spec.json",
            meaning: "JSON file that lists the certificates and passwords.",
        }),
    },
});

export type BootstrapConfig = ConfigOf<typeof declaration>;
