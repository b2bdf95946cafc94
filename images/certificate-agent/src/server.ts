import { startImage } from "../../kit";
import { buildApp } from "./app";
import { declaration } from "./declaration";

void startImage(declaration, buildApp);
