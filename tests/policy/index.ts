import { PolicyPack, ReportViolation, ResourceValidationPolicy } from "@pulumi/policy";

import { imageViolations, probeViolations, resourceViolations, selectorViolations } from "./checks";
import { PodTemplate, podTemplateOf } from "./pods";
import { podSecurityViolations } from "./podSecurity";

/** A policy about every pod that a resource makes. */
function forPods(name: string, description: string, check: (pod: PodTemplate) => string[]): ResourceValidationPolicy {
    return {
        name,
        description,
        enforcementLevel: "mandatory",
        validateResource: ({ type, props }, report: ReportViolation) => {
            const pod = podTemplateOf({ type, props });
            if (pod) for (const violation of check(pod)) report(violation);
        },
    };
}

new PolicyPack("distributed-patterns", {
    policies: [
        forPods("pinned-images", "Images are named by digest or stand in the catalogue.", ({ spec }) =>
            imageViolations(spec),
        ),
        forPods("restricted-pods", "Pods pass Pod Security `restricted`.", ({ spec }) => podSecurityViolations(spec)),
        forPods(
            "probes",
            "Long-running containers are probed for liveness, their pods for readiness.",
            probeViolations,
        ),
        forPods("resources", "Containers request cpu and memory, and limit memory.", ({ spec }) =>
            resourceViolations(spec),
        ),
        {
            name: "selectors-match",
            description: "Services, PodDisruptionBudgets and NetworkPolicies select pods of the stack.",
            enforcementLevel: "mandatory",
            validateStack: ({ resources }, report) => {
                for (const { resource, violation } of selectorViolations(resources)) report(violation, resource.urn);
            },
        },
    ],
});
