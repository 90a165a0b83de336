package org.slf4j.impl;

import java.lang.reflect.Proxy;
import org.slf4j.ILoggerFactory;
import org.slf4j.Logger;
import org.slf4j.helpers.FormattingTuple;
import org.slf4j.helpers.MessageFormatter;
import org.slf4j.spi.LoggerFactoryBinder;

/**
 * The class in which SLF4J 1.7 looks for its backend: errors go to standard error, as with the distribution's own configuration; some
 * tools say only there why they failed. Warnings, which that shows too, come and go with timing and are left out.
 */
public final class StaticLoggerBinder implements LoggerFactoryBinder {
    public static final String REQUESTED_API_VERSION = "1.6.99";
    private static final StaticLoggerBinder SINGLETON = new StaticLoggerBinder();

    public static StaticLoggerBinder getSingleton() {
        return SINGLETON;
    }

    @Override
    public ILoggerFactory getLoggerFactory() {
        return StaticLoggerBinder::logger;
    }

    @Override
    public String getLoggerFactoryClassStr() {
        return StaticLoggerBinder.class.getName();
    }

    private static Logger logger(String name) {
        return (Logger) Proxy.newProxyInstance(StaticLoggerBinder.class.getClassLoader(), new Class<?>[] {Logger.class}, (self, method, arguments) -> {
            switch (method.getName()) {
                case "getName": return name;
                case "isErrorEnabled": return true;
                case "error": write(name, arguments); return null;
                case "hashCode": return name.hashCode();
                case "equals": return self == arguments[0];
                case "toString": return name;
                default: return method.getReturnType() == boolean.class ? false : null;
            }
        });
    }

    /** Writes the arguments of error(message, ...): given one by one or as an array, a throwable last. */
    private static void write(String name, Object[] given) {
        Object[] values = new Object[Math.max(0, given.length - 1)];
        System.arraycopy(given, 1, values, 0, values.length);
        if (values.length == 1 && values[0] instanceof Object[]) values = (Object[]) values[0];
        FormattingTuple said = MessageFormatter.arrayFormat(String.valueOf(given[0]), values);
        System.err.println("ERROR " + said.getMessage() + " (" + name + ")");
        if (said.getThrowable() != null) said.getThrowable().printStackTrace();
    }
}
