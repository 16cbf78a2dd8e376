/** Callers match on `type` (`__type`) and `message`, so both follow public records of the real service. */
export class ServiceError extends Error {
  readonly type: string;
  /** 400, or 500 for a failure of the service itself. */
  readonly status: number;

  constructor(type: string, message: string, status = 400) {
    super(message);
    this.name = type;
    this.type = type;
    this.status = status;
  }
}

export function validationFailed(message: string): ServiceError {
  return new ServiceError('ValidationException', message);
}

export function wrongType(message: string): ServiceError {
  return new ServiceError('SerializationException', message);
}

export function invalidParameter(message: string): ServiceError {
  return new ServiceError('InvalidParameterException', message);
}

export function invalidRequest(message: string): ServiceError {
  return new ServiceError('InvalidRequestException', message);
}

export function notFound(message: string): ServiceError {
  return new ServiceError('ResourceNotFoundException', message);
}

export function alreadyExists(message: string): ServiceError {
  return new ServiceError('ResourceExistsException', message);
}

export function limitExceeded(message: string): ServiceError {
  return new ServiceError('LimitExceededException', message);
}
