/**
 * The worker's container image, by digest: built from gpu-worker/Dockerfile (needs Docker with buildx), or taken from
 * the environment variable WORKER_IMAGE where something else has built it.
 */
export function createImage() {
  if (process.env.WORKER_IMAGE !== undefined) return $output(process.env.WORKER_IMAGE);

  const repository = new aws.ecr.Repository('WorkerRepository', {
    name: `${$app.name}-${$app.stage}-worker`,
    forceDelete: !$app.protect,
    imageScanningConfiguration: { scanOnPush: true },
  });
  new aws.ecr.LifecyclePolicy('WorkerRepositoryLifecycle', {
    repository: repository.name,
    policy: $jsonStringify({
      rules: [
        {
          rulePriority: 1,
          description: 'Keep the last ten, to roll back to; each is gigabytes',
          selection: { tagStatus: 'any', countType: 'imageCountMoreThan', countNumber: 10 },
          action: { type: 'expire' },
        },
      ],
    }),
  });
  const login = aws.ecr.getAuthorizationTokenOutput({ registryId: repository.registryId });
  const image = new dockerbuild.Image('WorkerImage', {
    context: { location: $cli.paths.root },
    dockerfile: { location: `${$cli.paths.root}/gpu-worker/Dockerfile` },
    platforms: ['linux/amd64'],
    tags: [$interpolate`${repository.repositoryUrl}:latest`],
    push: true,
    registries: [{ address: login.proxyEndpoint, username: login.userName, password: login.password }],
  });
  return image.ref;
}
export type Image = ReturnType<typeof createImage>;
