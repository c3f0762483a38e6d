import type { Network } from './network.ts';
import { machineImage, type Stage } from './stage.ts';

/** Folder of the machine (not of the container) that keeps base models between workers; owned by the container's user. */
export const modelsFolder = '/var/lib/loraloom/models';

/**
 * GPU machines for ECS, as many as its tasks need, none when there are none. Plain Pulumi: sst.aws.Cluster is for
 * Fargate, which has no GPUs.
 */
export function createGpu({ gpu }: Stage, network: Network) {
  const name = `${$app.name}-${$app.stage}-gpu`;
  const cluster = new aws.ecs.Cluster('GpuCluster', {
    name,
    settings: [{ name: 'containerInsights', value: 'enabled' }], // For DesiredTaskCount, which scaling.ts divides by.
  });

  const group = new aws.autoscaling.Group(
    'GpuMachines',
    {
      minSize: 0,
      maxSize: gpu.maxWorkers.trainings + gpu.maxWorkers.images,
      vpcZoneIdentifiers: network.subnetIds,
      protectFromScaleIn: true, // Only ECS removes a machine, once its tasks have ended.
      forceDelete: true, // What a worker has not written to the bucket is of no use to anyone.
      enabledMetrics: ['GroupInServiceInstances'], // Off unless asked for; alarms.ts reads it.
      capacityRebalance: false, // ECS is not told when rebalancing takes a machine away.
      mixedInstancesPolicy: {
        instancesDistribution: {
          onDemandBaseCapacity: 0,
          onDemandPercentageAboveBaseCapacity: gpu.onDemandPercent,
          spotAllocationStrategy: 'price-capacity-optimized',
        },
        launchTemplate: {
          launchTemplateSpecification: { launchTemplateId: createTemplate(name, network).id, version: '$Latest' },
          overrides: gpu.instanceTypes.map((instanceType) => ({ instanceType })),
        },
      },
      // Machines do not inherit the tags that SST gives to everything else.
      tags: Object.entries({ AmazonECSManaged: 'true', 'sst:app': $app.name, 'sst:stage': $app.stage }).map(([key, value]) => ({
        key,
        value,
        propagateAtLaunch: true,
      })),
    },
    { ignoreChanges: ['desiredCapacity'] },
  );
  const capacity = new aws.ecs.CapacityProvider('GpuCapacity', {
    name: `${name}-machines`,
    autoScalingGroupProvider: {
      autoScalingGroupArn: group.arn,
      managedTerminationProtection: 'ENABLED',
      managedDraining: 'ENABLED',
      managedScaling: { status: 'ENABLED', targetCapacity: 100, minimumScalingStepSize: 1, maximumScalingStepSize: 4 },
    },
  });
  const attachment = new aws.ecs.ClusterCapacityProviders('GpuClusterCapacity', {
    clusterName: cluster.name,
    capacityProviders: [capacity.name],
  });
  return { cluster, group, capacity, attachment };
}
export type Gpu = ReturnType<typeof createGpu>;

/** What a machine is when it starts: Amazon's ECS image with NVIDIA's driver, told which cluster it belongs to. */
function createTemplate(cluster: string, network: Network) {
  const role = new aws.iam.Role('GpuMachineRole', {
    assumeRolePolicy: aws.iam.assumeRolePolicyForPrincipal({ Service: 'ec2.amazonaws.com' }),
    managedPolicyArns: ['arn:aws:iam::aws:policy/service-role/AmazonEC2ContainerServiceforEC2Role'],
  });
  const profile = new aws.iam.InstanceProfile('GpuMachineProfile', { role: role.name });
  const userData = `#!/bin/bash
install -d -o 1000 -g 1000 ${modelsFolder}
cat >>/etc/ecs/ecs.config <<'EOF'
ECS_CLUSTER=${cluster}
ECS_ENABLE_GPU_SUPPORT=true
ECS_ENABLE_SPOT_INSTANCE_DRAINING=true
ECS_CONTAINER_STOP_TIMEOUT=110s
ECS_IMAGE_PULL_BEHAVIOR=prefer-cached
EOF
`;
  return new aws.ec2.LaunchTemplate('GpuMachine', {
    imageId: aws.ssm.getParameterOutput({ name: machineImage }).value,
    updateDefaultVersion: true,
    iamInstanceProfile: { arn: profile.arn },
    // One hop: containers, a network bridge away, cannot reach the machine's own credentials.
    metadataOptions: { httpEndpoint: 'enabled', httpTokens: 'required', httpPutResponseHopLimit: 1 },
    networkInterfaces: [
      { associatePublicIpAddress: 'true', deleteOnTermination: 'true', securityGroups: [network.securityGroup.id] },
    ],
    blockDeviceMappings: [
      {
        deviceName: '/dev/xvda',
        ebs: { volumeType: 'gp3', volumeSize: 100, throughput: 500, encrypted: 'true', deleteOnTermination: 'true' },
      },
    ],
    userData: Buffer.from(userData).toString('base64'),
  });
}
