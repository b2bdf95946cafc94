import { runJob } from "../../kit";
import { KubernetesClient } from "../../kit/kubernetes";
import { bootstrap } from "./bootstrap";
import { declaration } from "./declaration";
import { readSpecification } from "./specification";

void runJob(declaration, async ({ config, log }) => {
    const specification = readSpecification(config.SPEC_FILE);
    await bootstrap(specification, new KubernetesClient(), log);
});
